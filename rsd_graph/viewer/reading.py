"""Answers from a file: one object, or one a line. What cannot be read is said, never guessed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsd_graph.errors import InputError
from rsd_graph.viewer.trace import Trace, trace_of

_MIB = 2**20
LARGE_BYTES = 32 * _MIB
"""From here on a page with all its data in it opens slowly, and is served in pieces instead."""
MOST_BYTES = 256 * _MIB
"""A page holds all its data. Beyond this no browser opens it in a time that anybody waits."""
CUT_OFF = "the last line was cut off and is left out"
"""What is said of a file whose writer was killed."""


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
    conditions: dict[str, object] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def is_large(path: Path) -> bool:
    """Whether *path* is too large to be put into a page and opened at once."""
    return path.is_file() and path.stat().st_size > LARGE_BYTES


def read_traces(path: Path) -> Traces:
    """Every answer in *path*.

    Raises:
        InputError: No such file, too large, empty, or not one of ours; the message says which.
    """
    found = Traces(path.name)
    for number, record in enumerate(_records(path, found)):
        if not isinstance(record, dict):
            raise InputError(f"{path} has no steps.", expected="a file of rsd-graph")
        if is_header(record):
            found.conditions = dict(record.get("config") or {})
        else:
            found.answers.append(answer_in(record, number, found.conditions))
    if not found.answers:
        raise InputError(f"{path} holds no answer.", expected="a file of rsd-graph")
    return found


def is_header(record: Mapping[str, object]) -> bool:
    """Whether this is the first line of a journal: the conditions of the answers after it."""
    return "config_hash" in record


def answer_in(record: Mapping[str, object], number: int, conditions: Mapping[str, object]) -> Trace:
    """The answer in one record; one that failed has no steps, and delta may be the whole file's.

    Raises:
        InputError: It is no answer.
    """
    is_failed = record.get("error") is not None and not record.get("steps")
    answer = trace_of({**record, "steps": []} if is_failed else record, number)
    delta = conditions.get("delta")
    if isinstance(delta, int | float) and "delta" not in record:
        answer["delta"] = float(delta)
    return answer


def parsed(text: bytes) -> Any:
    """The JSON value in *text*; `None` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def no_object(path: Path, line: int) -> InputError:
    """What is said of a line that is not ours."""
    return InputError(
        f"line {line} of {path} is no JSON object.",
        expected="what solve --json, batch or eval --journal wrote",
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Around the reading of *path*.

    Raises:
        InputError: It cannot be read; the message says why.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def size_of(path: Path, most: int, hint: str) -> int:
    """Bytes of *path*.

    Raises:
        InputError: No such file, an empty one, or one of more than *most* bytes.
    """
    with readable(path):
        size = path.stat().st_size
    if size > most:
        raise InputError(
            f"{path} has {size / _MIB:,.0f} MiB; {most // _MIB:,} can be shown.", hint=hint
        )
    return size


def _records(path: Path, found: Traces) -> Iterator[Any]:
    content = _content(path)
    whole = parsed(content)
    if isinstance(whole, dict | list):
        yield from whole if isinstance(whole, list) else [whole]
        return
    lines = [line for line in content.split(b"\n") if line.strip()]
    for number, line in enumerate(lines, 1):
        record = parsed(line)
        if isinstance(record, dict):
            yield record
        elif number == len(lines) and number > 1:
            found.remarks.append(CUT_OFF)
        else:
            raise no_object(path, number)


def _content(path: Path) -> bytes:
    size_of(path, MOST_BYTES, "Leave out --out, or take a part of it: head -n 10000.")
    with readable(path):
        content = path.read_bytes()
    if not content.strip():
        raise InputError(f"{path} is empty.")
    return content
