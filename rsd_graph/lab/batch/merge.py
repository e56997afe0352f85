"""The shards of a batch as one file: all of them, none twice, of one configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.batch.answers import Tally
from rsd_graph.lab.batch.shard import Shard, digest
from rsd_graph.lab.files import JsonLines, Row
from rsd_graph.lab.journal import Record, is_header, is_record, mixed, record_of

_ONE_BATCH = "Shards of one batch have the same stack, options, version and name of their file."


class Part:
    """One file of answers, locked while it is read, and never changed: a torn last line is passed.

    Attributes:
        path: The file.
        header: Its last header.
        tally: What is in it.

    Raises:
        ConfigurationError: It is no file of answers, cannot be read, or is being written; or a
            question is answered twice in it.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ConfigurationError(f"there is no file {path}.", expected="a file of answers")
        self.path = path
        self.header: Row = {}
        self.tally = Tally()
        self._lines = JsonLines(path)
        try:
            for row in self._lines.rows():
                self._take(row)
            if not self.header:
                raise self._foreign()
        except BaseException:
            self.close()
            raise

    def _take(self, row: Row) -> None:
        if is_header(row):
            self._check_same(row)
            self.header = row
        elif not self.header or not is_record(row):
            raise self._foreign()
        else:
            record = record_of(row)
            if self.tally.holds_answer(record["question"]):
                raise _twice(record["question"], self.path, self.path)
            self.tally.add(record)

    def _foreign(self) -> ConfigurationError:
        return ConfigurationError(f"{self.path} is no file of answers.", expected="one of batch")

    def _check_same(self, row: Row) -> None:
        before = self.header.get("config_hash", row["config_hash"])
        if before != row["config_hash"]:
            raise mixed(self.path, str(before), row["config_hash"], _ONE_BATCH)

    @property
    def shard(self) -> Shard:
        """Which part of the questions this is; all of them where the file does not say."""
        return Shard.parsed(str(self.header.get("shard", "0/1")))

    @property
    def missing(self) -> int:
        """How many of its questions were not asked yet."""
        known = len(self.tally.asked)
        return max(0, int(str(self.header.get("questions", known))) - known)

    def latest(self) -> Iterator[Record]:
        """The latest record of each question."""
        left = dict(self.tally.tries)
        for row in self._lines.rows():
            if is_header(row):
                continue
            record = record_of(row)
            name = digest(record["question"])
            if record["error"] is not None and name in left:
                left[name] -= 1
            if record["error"] is None or left.get(name) == 0:
                yield record

    def close(self) -> None:
        """Let others have the file."""
        self._lines.close()


@dataclass(frozen=True, slots=True)
class Parts:
    """All shards of one batch, checked.

    Attributes:
        parts: In the order of their shards.
    """

    parts: Sequence[Part]

    @classmethod
    def opened(cls, paths: Iterable[Path], held: ExitStack, *, partial: bool = False) -> Parts:
        """The shards in these files and folders; they are closed with *held*.

        Args:
            paths: Files of answers, or folders of them.
            held: Closes them.
            partial: Shards may be missing, or not be done yet.

        Raises:
            ConfigurationError: A shard is missing, is there twice, is not done, or is of another
                configuration; a question is answered in two of them; see `Part`, too.
        """
        parts = []
        for path in files_in(paths):
            parts.append(Part(path))
            held.callback(parts[-1].close)
        found = cls(sorted(parts, key=lambda part: part.shard.index))
        found._check_configuration()
        found._check_shards(partial=partial)
        found._check_questions()
        return found

    @property
    def header(self) -> Row:
        """The header of all of them together."""
        first = self.parts[0].header
        questions = sum(int(str(part.header.get("questions", 0))) for part in self.parts)
        told = {name: first[name] for name in ("config_hash", "config")}
        return {**told, "shard": str(Shard()), "questions": questions}

    @property
    def config(self) -> Mapping[str, object]:
        """Everything that decided the answers."""
        return cast("Mapping[str, object]", self.parts[0].header["config"])

    def latest(self) -> Iterator[Record]:
        """The latest record of each question, one by one."""
        for part in self.parts:
            yield from part.latest()

    def _check_configuration(self) -> None:
        if not self.parts:
            raise ConfigurationError("there is no file of answers.", expected="one for each shard")
        for part in self.parts:
            first, other = (str(one.header["config_hash"]) for one in (self.parts[0], part))
            if first != other:
                raise mixed(part.path, first, other, _ONE_BATCH)

    def _check_shards(self, *, partial: bool) -> None:
        seen = dict[Shard, Path]()
        for part in self.parts:
            if part.shard in seen:
                raise ConfigurationError(
                    f"shard {part.shard} is in {seen[part.shard]} and in {part.path}."
                )
            seen[part.shard] = part.path
        counts = {shard.count for shard in seen}
        if len(counts) > 1:
            raise ConfigurationError(
                f"these are shards of {min(counts)} and of {max(counts)}.",
                expected="all shards of one batch",
            )
        if not partial:
            self._check_whole(set(range(counts.pop())) - {shard.index for shard in seen})

    def _check_whole(self, absent: set[int]) -> None:
        count = self.parts[0].shard.count
        if absent:
            which = ", ".join(f"{index}/{count}" for index in sorted(absent)[:5])
            raise ConfigurationError(
                f"{len(absent)} of {count} shards are missing: {which}"
                f"{', ...' if len(absent) > 5 else ''}.",
                hint="Run them first; --partial merges what there is.",
            )
        if undone := [part for part in self.parts if part.missing]:
            first = undone[0]
            raise ConfigurationError(
                f"{first.path} lacks {first.missing} questions; {len(undone)} shards are not done.",
                hint="The same command goes on with a shard; --partial merges what there is.",
            )

    def _check_questions(self) -> None:
        """No question stands in two shards: names are compared first, files read only if equal."""
        seen = set[int]()
        for part in self.parts:
            if both := seen & part.tally.asked:
                question = next(
                    q["question"] for q in part.latest() if digest(q["question"]) in both
                )
                other = next(one for one in self.parts if digest(question) in one.tally.asked)
                raise _twice(question, other.path, part.path)
            seen |= part.tally.asked


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """The files themselves, and those of answers in each folder."""
    for path in paths:
        yield from sorted(path.glob("answers-*-of-*[0-9].jsonl")) if path.is_dir() else [path]


def _twice(question: str, one: Path, other: Path) -> ConfigurationError:
    return ConfigurationError(
        f"the question {question!r} is in {one} and in {other}.",
        expected="each question in one shard",
        hint="Were questions added or changed while shards were answered?",
    )
