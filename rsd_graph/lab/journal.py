"""One line per answer, written the moment it is there: whatever happens, nothing is lost.

A journal belongs to one configuration. Its first line says which, and answers of another one are
never mixed in: resuming with a different delta starts a different journal (the paper's script
matches results by a file name that lacks delta, models and limits).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Required, Self, cast

from typing_extensions import TypedDict

from rsd_graph.answer.ledger import Ledger, stored_ledger
from rsd_graph.answer.state import Step
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.files import JsonLines, Row

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
    prompt: str
    """Where nobody judges: the question in words,"""
    answer: str
    """and the answer's last word."""


class Record(Judgement):
    """One answer in a journal, and what was found in it."""

    arm: Required[str]
    question: Required[str]
    """Its id."""
    level: Required[int | None]
    text: Required[str]
    steps: Required[list[Step]]
    ledger: Required[Ledger | None]
    """What it cost; `None` if it failed."""
    finish_reason: Required[str | None]
    seconds: Required[float]
    error: Required[str | None]
    """What stopped it, if anything did. Such an answer is asked for again."""


def config_hash(config: Mapping[str, object]) -> str:
    """A short name for everything that decides the answers."""
    canonical = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class Journal:
    """An append-only JSONL file of answers, one per (arm, question).

    Args:
        path: The file; made if it does not exist.
        config: Everything that decides the answers.

    Attributes:
        path: The same.
        records: The latest record of each arm and question.

    Raises:
        ConfigurationError: The file holds answers of another configuration, or is no journal;
            another process is writing it; or it cannot be opened or written.
    """

    def __init__(self, path: str | Path, config: Mapping[str, object]) -> None:
        self.path = Path(path)
        self.records: dict[tuple[str, str], Record] = {}
        self._hash = config_hash(config)
        self._lines = JsonLines(self.path)
        try:
            self._resume(config)
        except BaseException:
            self._lines.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.close()

    @property
    def answers(self) -> list[Record]:
        """The records that need not be made again: all but those of failures."""
        return [record for record in self.records.values() if record["error"] is None]

    def holds_answer(self, arm: str, question: str) -> bool:
        """Whether this question need not be asked again."""
        record = self.records.get((arm, question))
        return record is not None and record["error"] is None

    def add(self, record: Record) -> None:
        """Keep one answer; on disk before this returns.

        Raises:
            ConfigurationError: It cannot be written; all answers before it are kept.
        """
        self._lines.append(record)
        self.records[record["arm"], record["question"]] = record

    def _resume(self, config: Mapping[str, object]) -> None:
        """Take up what is there; nothing is written before all of it is known to be ours."""
        rows = self._lines.rows
        if not (_is_journal(rows) if rows else _is_header_begun(self._lines.torn)):
            raise ConfigurationError(
                f"{self.path} is no journal.",
                expected="a file that eval or batch wrote, or a new one",
                hint="Give this run a file of its own. Nothing was changed.",
            )
        for row in rows:
            self._read(row)
        self._lines.cut()
        if not rows:
            self._lines.append({"config_hash": self._hash, "config": dict(config)})

    def _read(self, row: Row) -> None:
        if "config_hash" not in row:
            record = cast("Record", row)
            if ledger := record.get("ledger"):
                record["ledger"] = stored_ledger(ledger)
            self.records[record["arm"], record["question"]] = record
        elif row["config_hash"] != self._hash:
            raise ConfigurationError(
                f"{self.path} holds the answers of another configuration.",
                expected=f"configuration {self._hash}, found {row['config_hash']}",
                hint="Give this run a file of its own.",
            )


def _is_journal(rows: Sequence[Row]) -> bool:
    """A configuration first, then nothing but answers."""
    return "config_hash" in rows[0] and all(
        "config_hash" in row or {"arm", "question", "error"} <= row.keys() for row in rows
    )


def _is_header_begun(torn: bytes) -> bool:
    """Whether this is all a crash left of a journal's first line; of an empty file, too."""
    return _HEADER.startswith(torn[: len(_HEADER)])
