"""One line per answer, written the moment it is there: whatever happens, nothing is lost.

A journal belongs to one configuration. Its first line says which, and answers of another one are
never mixed in: resuming with a different delta starts a different journal (the paper's script
matches results by a file name that lacks delta, models and limits).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rsd_graph.answer.ledger import stored_ledger
from rsd_graph.errors import ConfigurationError

Record = dict[str, Any]


def config_hash(config: Mapping[str, Any]) -> str:
    """A short name for everything that decides the answers."""
    canonical = json.dumps(config, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


class Journal:
    """An append-only JSONL file of answers, one per (arm, question).

    Args:
        path: The file; made if it does not exist.
        config: Everything that decides the answers.

    Raises:
        ConfigurationError: The file holds answers of another configuration.
    """

    def __init__(self, path: str | Path, config: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._hash = config_hash(config)
        self.records: dict[tuple[str, str], Record] = {}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for line in self._lines():
            self._read(line)
        self._cut_torn_line()
        self._file = self.path.open("a", encoding="utf-8")
        if self._file.tell() == 0:
            self._write({"config_hash": self._hash, "config": dict(config)})

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self.records

    @property
    def answers(self) -> list[Record]:
        """The records that need not be made again: all but those of failures."""
        return [record for record in self.records.values() if record["error"] is None]

    def add(self, record: Record) -> None:
        """Keep one answer; on disk before this returns."""
        self.records[record["arm"], record["question"]] = record
        self._write(record)

    def _write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record, ensure_ascii=False, default=str) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _lines(self) -> Iterator[str]:
        """The complete lines; a run that was killed may have left half a one at the end."""
        if self.path.exists():
            text = self.path.read_text(encoding="utf-8")
            yield from text[: text.rfind("\n") + 1].splitlines()

    def _read(self, line: str) -> None:
        record = json.loads(line)
        if "config_hash" not in record:
            if record.get("ledger"):
                record["ledger"] = stored_ledger(record["ledger"])
            self.records[record["arm"], record["question"]] = record
        elif record["config_hash"] != self._hash:
            raise ConfigurationError(
                f"{self.path} holds the answers of another configuration.",
                expected=f"configuration {self._hash}, found {record['config_hash']}",
                hint="Give this run a file of its own.",
            )

    def _cut_torn_line(self) -> None:
        if self.path.exists():
            content = self.path.read_bytes()
            os.truncate(self.path, content.rfind(b"\n") + 1)
