"""Answers from a file: one object, or one a line. What cannot be read is said, never guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd_graph.errors import InputError
from rsd_graph.viewer.trace import Trace, trace_of

_MIB = 2**20
MOST_BYTES = 256 * _MIB
"""A page holds all its data. Beyond this no browser opens it in a time that anybody waits."""


@dataclass(slots=True)
class Traces:
    """What a file holds.

    Attributes:
        name: The file's.
        answers: Its answers.
        conditions: Under which they were made, if the file says it.
        remarks: What a reader has to know, such as a last line that was cut off.
    """

    name: str
    answers: list[Trace] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def read_traces(path: Path) -> Traces:
    """Every answer in *path*.

    Raises:
        InputError: No such file, too large, empty, or not one of ours; the message says which.
    """
    found = Traces(path.name)
    for number, record in enumerate(_records(path, found)):
        if not isinstance(record, dict):
            raise InputError(f"{path} has no steps.", expected="a file of rsd-graph")
        if "config_hash" in record:
            found.conditions = dict(record.get("config") or {})
        elif record.get("error") is None or record.get("steps"):
            found.answers.append(trace_of(record, number))
        else:
            failed = {**record, "steps": []}
            found.answers.append(trace_of(failed, number))
    delta = found.conditions.get("delta")
    for answer in found.answers:
        if isinstance(delta, int | float) and "delta" not in answer:
            answer["delta"] = float(delta)
    if not found.answers:
        raise InputError(f"{path} holds no answer.", expected="a file of rsd-graph")
    return found


def _records(path: Path, found: Traces) -> Iterator[Any]:
    content = _content(path)
    whole = _parsed(content)
    if isinstance(whole, dict | list):
        yield from whole if isinstance(whole, list) else [whole]
        return
    lines = [line for line in content.split(b"\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        record = _parsed(line)
        if isinstance(record, dict):
            yield record
        elif number == len(lines) and number > 1:
            found.remarks.append("the last line was cut off and is left out")
        else:
            raise InputError(
                f"line {number} of {path} is no JSON object.",
                expected="what solve --json, batch or eval --journal wrote",
            )


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(
                f"{path} has {size / _MIB:,.0f} MiB; a page can show {MOST_BYTES // _MIB}.",
                hint="Take a part of it, such as the first lines: head -n 10000.",
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if not content.strip():
        raise InputError(f"{path} is empty.")
    return content


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
