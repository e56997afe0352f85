"""The file a batch writes its answers to, and what is known of it without holding it in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.batch.shard import Shard, digest
from rsd_graph.lab.files import json_line, written_whole
from rsd_graph.lab.journal import Record, RecordFile


@dataclass(slots=True)
class Tally:
    """What the records of a file come to; of each question only a number of 64 bits is kept.

    Attributes:
        answered: The questions that are.
        tries: How often each other question has failed, over all runs.
        steps: Settled steps, by who wrote them.
        ledger: All that was spent, failed answers included.
        first_error: Of the first failure in this run, or of the latest in an earlier one.
    """

    answered: set[int] = field(default_factory=set)
    tries: dict[int, int] = field(default_factory=dict)
    steps: Counter[str] = field(default_factory=Counter)
    ledger: Ledger = field(default_factory=empty_ledger)
    first_error: str | None = None

    def add(self, record: Record) -> None:
        """Count one record."""
        name = digest(record["question"])
        self.steps.update(step["source"] for step in record["steps"])
        if spent := record["ledger"] or record.get("spent"):
            self.ledger = add(self.ledger, spent)
        if record["error"] is None:
            self.answered.add(name)
            self.tries.pop(name, None)
        else:
            self.tries[name] = self.tries.get(name, 0) + 1

    @property
    def asked(self) -> set[int]:
        """The questions that were asked, whatever came of it."""
        return self.answered | self.tries.keys()

    def tries_of(self, question: str) -> int:
        """How often the question with this id has failed and never been answered."""
        return self.tries.get(digest(question), 0)

    def holds_answer(self, question: str) -> bool:
        """Whether the question with this id is answered."""
        return digest(question) in self.answered


class Answers(RecordFile):
    """The answers to one shard of the questions.

    Args:
        path: The file; made if it does not exist.
        config: Everything that decides the answers.
        shard: Which part of the questions.
        questions: How many there are in it. The file says so: merging finds what is missing.

    Attributes:
        tally: What is in it.

    Raises:
        ConfigurationError: See `RecordFile`; or it holds another shard.
    """

    def __init__(
        self, path: str | Path, config: Mapping[str, object], shard: Shard, questions: int
    ) -> None:
        self.tally = Tally()
        self._has_failed = False
        note: dict[str, object] = {"shard": str(shard), "questions": questions}
        super().__init__(path, config, self._read, note)
        try:
            self._check_note(note)
        except BaseException:
            self.__exit__()
            raise

    def add(self, record: Record) -> None:
        """Keep one record; see `RecordFile.append`."""
        self.append(record)
        self.tally.add(record)
        if record["error"] and not self._has_failed:
            self._has_failed, self.tally.first_error = True, record["error"]

    def _read(self, record: Record) -> None:
        self.tally.add(record)
        self.tally.first_error = record["error"] or self.tally.first_error

    def _check_note(self, note: dict[str, object]) -> None:
        found = self.note.get("shard", note["shard"])
        if found != note["shard"]:
            raise ConfigurationError(
                f"{self.path} holds the answers of another shard.",
                expected=f"shard {note['shard']}, found {found}",
                hint="Give every shard a file of its own; --out-dir does.",
            )
        if self.note != note:
            self.head(note)


def set_aside_path(path: Path) -> Path:
    """Where the questions of the answers in *path* are set aside."""
    return path.with_suffix(".set-aside.jsonl")


def write_set_aside(answers: Answers, tries: int) -> int:
    """Keep the questions that have failed *tries* times in a file of their own, with the reason.

    It stands beside the answers, and is written anew each time: what has been answered since is
    in it no longer, and without any such question there is no file.

    Returns:
        How many there are.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    path = set_aside_path(answers.path)
    failed = {name: n for name, n in answers.tally.tries.items() if n >= tries}
    if not failed:
        path.unlink(missing_ok=True)
        return 0
    left = dict(failed)
    with written_whole(path) as beside, beside.open("wb") as file:
        for record in answers.reread():
            name = digest(record["question"])
            if name in left:
                left[name] -= 1
                if left[name] == 0:  # the latest of them
                    told = {key: record.get(key) for key in ("question", "prompt", "error")}
                    file.write(json_line({**told, "tries": failed[name]}))
    return len(failed)
