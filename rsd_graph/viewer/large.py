"""A journal too large for one page: where its answers stand, read again when they are shown."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rsd_graph.answer.state import Step
from rsd_graph.errors import InputError
from rsd_graph.viewer.reading import (
    CUT_OFF,
    answer_in,
    is_header,
    no_object,
    parsed,
    readable,
    size_of,
)
from rsd_graph.viewer.trace import Trace

MOST_SERVED = 2**30
"""Bytes of a file that is served. The rows of a larger one fill a browser's memory."""
ROWS = 10_000
"""Rows a page asks for at a time."""
_SHOWN = 200
"""Characters of question and answer in a row; the whole of them is in the answer."""


class LargeFile:
    """The answers of a file with one JSON object a line.

    Attributes:
        name: The file's.
        conditions: Under which they were made, if the file says it.
        remarks: What a reader has to know, such as a last line that was cut off.

    Raises:
        InputError: No such file, more than `MOST_SERVED`, empty, or not one of ours.
    """

    def __init__(self, path: Path) -> None:
        size_of(path, MOST_SERVED, "Take a part of it, such as the first lines: head -n 100000.")
        self.name = path.name
        self.conditions: dict[str, Any] = {}
        self.remarks: list[str] = []
        self._path = path
        self._starts = array("Q")
        self._scan()
        if not self._starts:
            raise InputError(f"{path} holds no answer.", expected="a file of rsd-graph")

    @property
    def size(self) -> int:
        """Its answers."""
        return len(self._starts)

    def rows(self, first: int) -> list[dict[str, Any]]:
        """What the screens sum up, of up to `ROWS` answers.

        Raises:
            InputError: One of them is not ours; the message says which line.
        """
        with readable(self._path), self._path.open("rb") as file:
            return [
                _row(self._read(file, number))
                for number in range(first, min(first + ROWS, self.size))
            ]

    def answer(self, number: int) -> Trace:
        """One answer, whole.

        Raises:
            InputError: It is not ours.
        """
        with readable(self._path), self._path.open("rb") as file:
            return self._read(file, number)

    def _scan(self) -> None:
        """Note where lines begin; the first and the last are read now, the others when shown."""
        at, last = 0, b""
        with readable(self._path), self._path.open("rb") as file:
            for line in file:
                if b'"config_hash"' in line[:100] and is_header(record := parsed(line) or {}):
                    self.conditions = dict(record.get("config") or {})
                elif line.strip():
                    self._starts.append(at)
                    last = line
                at += len(line)
        if len(self._starts) > 1 and not isinstance(parsed(last), dict):
            self._starts.pop()
            self.remarks.append(CUT_OFF)
        if self._starts:
            self.answer(0)

    def _read(self, file: Any, number: int) -> Trace:
        file.seek(self._starts[number])
        record = parsed(file.readline())
        if not isinstance(record, dict):
            raise no_object(self._path, number + 1)
        return answer_in(record, number, self.conditions)


def _row(answer: Trace) -> dict[str, object]:
    """An answer without its texts; equal texts have equal sums, so that they can be compared."""
    ledger = answer["ledger"]
    return {
        **answer,
        "question": answer["question"][:_SHOWN],
        "answer": answer["answer"][:_SHOWN],
        "steps": [_thin(step) for step in answer["steps"]],
        "ledger": {"target": ledger["target"]} if ledger else None,
        "thin": True,
    }


def _thin(step: Step) -> dict[str, object]:
    told: Mapping[str, Any] = step
    sums = {name: _sum(told.get(name)) for name in ("text", "rejected_text")}
    numbers = {name: told.get(name) for name in ("source", "reward", "accepted", "tokens")}
    return {**numbers, **sums}


def _sum(text: str | None) -> str | None:
    return None if text is None else f"{zlib.crc32(text.encode(errors='surrogatepass')):x}"
