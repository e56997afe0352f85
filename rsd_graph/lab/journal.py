"""One line per answer, written the moment it is there: whatever happens, nothing is lost.

A journal belongs to one configuration. Its first line says which, and answers of another one are
never mixed in: resuming with a different delta starts a different journal (the paper's script
matches results by a file name that lacks delta, models and limits).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NotRequired, Required, Self, cast

from typing_extensions import TypedDict

from rsd_graph.answer.ledger import Ledger, stored_ledger
from rsd_graph.answer.state import Step
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.files import JsonLines, Row
from rsd_graph.viewer.trace import Mistakes

_HEADER = b'{"config_hash": "'
"""How the first line of every journal begins."""


class Judgement(TypedDict, total=False):
    """What a judge finds in one answer."""

    correct: bool | None
    """`None` where nothing is right or wrong."""
    extracted: object
    """The answer as found in the text; `None` if there is none."""
    paper_correct: bool
    """The verdict of the paper's evaluation."""
    reason: str
    """Why it is right or wrong."""
    reward: float
    """What an outcome reward model gives an open-ended answer."""
    prm_mistakes: Mistakes
    """Where every step can be checked: where the PRM was wrong."""
    prompt: str
    """Where nobody judges: the question in words,"""
    answer: str
    """and the answer's last word."""
    response: Mapping[str, object]
    """Of a request in OpenAI's words: the body of its answer."""


class Record(Judgement):
    """One answer in a journal, and what was found in it."""

    arm: Required[str]
    question: Required[str]
    """Its id."""
    level: Required[int | None]
    text: Required[str]
    steps: Required[list[Step]]
    delta: NotRequired[float | None]
    """The arm's threshold, if one alone decides."""
    ledger: Required[Ledger | None]
    """What it cost; `None` if it failed, and then see `spent`."""
    finish_reason: Required[str | None]
    seconds: Required[float]
    error: Required[str | None]
    """What stopped it, if anything did. Such an answer is asked for again."""
    spent: NotRequired[Ledger | None]
    """What an answer that failed had cost by then, as far as it is known."""


def config_hash(config: Mapping[str, object]) -> str:
    """A short name for everything that decides the answers."""
    canonical = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class RecordFile:
    """An append-only JSONL file of records that belong to one configuration.

    Args:
        path: The file; made if it does not exist.
        config: Everything that decides the answers.
        take: Called with each record that the file holds, in their order.
        note: What else the header of a new file says.

    Attributes:
        path: The same.
        note: What else its last header says.

    Raises:
        ConfigurationError: The file holds answers of another configuration, or is no journal;
            another process is writing it; or it cannot be opened or written.
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, object],
        take: Callable[[Record], None],
        note: Row | None = None,
    ) -> None:
        self.path = Path(path)
        self.note: Row = note or {}
        self._config = dict(config)
        self._hash = config_hash(config)
        self._lines = JsonLines(self.path)
        try:
            self._resume(take)
        except BaseException:
            self._lines.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    def append(self, record: Record) -> None:
        """Keep one record; on disk before this returns.

        Raises:
            ConfigurationError: It cannot be written; all records before it are kept.
        """
        self._lines.append(record)

    def reread(self) -> Iterator[Record]:
        """Every record in the file, read anew one by one."""
        rows = self._lines.rows()
        return (record_of(row) for row in rows if not is_header(row))

    def head(self, note: Row) -> None:
        """Write a header that says *note*, too; the last one counts."""
        self._lines.append({"config_hash": self._hash, "config": self._config, **note})
        self.note = note

    def _resume(self, take: Callable[[Record], None]) -> None:
        """Take up what is there; nothing is written before all of it is known to be ours."""
        hashes = set[object]()
        for row in self._lines.rows():
            if is_header(row):
                hashes.add(row["config_hash"])
                self.note = {key: row[key] for key in row.keys() - {"config_hash", "config"}}
            elif hashes and is_record(row):
                take(record_of(row))
            else:
                raise self._foreign()
        if not hashes and not _is_header_begun(self._lines.torn):
            raise self._foreign()
        self._check(hashes)
        self._lines.cut()
        if not hashes:
            self.head(self.note)

    def _check(self, hashes: set[object]) -> None:
        if others := hashes - {self._hash}:
            hint = "Give this run a file of its own."
            raise mixed(self.path, self._hash, others.pop(), hint)

    def _foreign(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self.path} is no journal.",
            expected="a file that eval or batch wrote, or a new one",
            hint="Give this run a file of its own. Nothing was changed.",
        )


class Journal(RecordFile):
    """The answers of a few thousand questions at most, one per (arm, question), all in memory.

    Args:
        path: The file; made if it does not exist.
        config: Everything that decides the answers.

    Attributes:
        records: The latest record of each arm and question.

    Raises:
        ConfigurationError: See `RecordFile`.
    """

    def __init__(self, path: str | Path, config: Mapping[str, object]) -> None:
        self.records: dict[tuple[str, str], Record] = {}
        super().__init__(path, config, self._take)

    @property
    def answers(self) -> list[Record]:
        """The records that need not be made again: all but those of failures."""
        return [record for record in self.records.values() if record["error"] is None]

    def holds_answer(self, arm: str, question: str) -> bool:
        """Whether this question need not be asked again."""
        record = self.records.get((arm, question))
        return record is not None and record["error"] is None

    def add(self, record: Record) -> None:
        """Keep one answer; see `append`."""
        self.append(record)
        self._take(record)

    def _take(self, record: Record) -> None:
        self.records[record["arm"], record["question"]] = record


def is_header(row: Row) -> bool:
    """Whether a line says whose the answers after it are."""
    return "config_hash" in row


def is_record(row: Row) -> bool:
    """Whether a line is that of an answer."""
    return {"arm", "question", "error"} <= row.keys()


def mixed(path: Path, expected: str, found: object, hint: str) -> ConfigurationError:
    """The error for answers of another configuration; both by their hashes."""
    return ConfigurationError(
        f"{path} holds the answers of another configuration.",
        expected=f"configuration {expected}, found {found}",
        hint=hint,
    )


def record_of(row: Row) -> Record:
    """A line that is no header; a ledger that an older version wrote is read as one of this."""
    record = cast("Record", row)
    if ledger := record.get("ledger"):
        record["ledger"] = stored_ledger(ledger)
    return record


def _is_header_begun(torn: bytes) -> bool:
    """Whether this is all a crash left of a journal's first line; of an empty file, too."""
    return _HEADER.startswith(torn[: len(_HEADER)])
