"""Rows of a file of questions, by the end of its name.

    .jsonl .ndjson   a JSON object in each line, or a JSON string: a prompt
    .json            a list of them
    .csv .tsv        a line of column names first; comma, semicolon or tab
    .parquet         the same columns; needs the extra `datasets`
    anything else    a prompt in each line, or what a line of JSONL holds

Text that begins with a JSON object is JSONL, and text that begins with the names of columns is CSV,
whatever the file is called: neither is ever read as prompts.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Any, NamedTuple

from rsd_graph.errors import InputError
from rsd_graph.lab.questions.rows import PROMPT, QUESTIONS, Row

JSON_LINES, TABLES = (".jsonl", ".ndjson"), (".csv", ".tsv")
SUFFIXES = (*JSON_LINES, ".json", *TABLES, ".parquet", ".txt")
"""How the name of a file of questions may end; text may have any name."""

_DELIMITERS = ",;\t"


class Located(NamedTuple):
    """A row, and where it stands, for people: `line 3 of q.jsonl`."""

    where: str
    row: Row


def rows_of(text: str, name: str) -> list[Located]:
    """The rows of a file called *name* that holds this *text*.

    Raises:
        InputError: It is not what its name says; the message names the line.
    """
    kind = PurePath(name).suffix.lower()
    first = next((line for line in text.split("\n") if line.strip()), "")
    if kind == ".json":
        return list(_list(text, name))
    if kind in TABLES or (kind not in JSON_LINES and _heads(first)):
        return list(_table(text, name))
    strict = kind in JSON_LINES or isinstance(_json(first), dict)
    return list(_lines(text, name, strict=strict))


def _heads(line: str) -> bool:
    """Whether these are the names of a table's columns: no prompt looks like that."""
    cells = {cell.strip(' "') for cell in _cells(line)}
    return len(cells) > 1 and not cells.isdisjoint(QUESTIONS)


def _cells(line: str) -> list[str]:
    return line.split(_delimiter(line))


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _lines(text: str, name: str, *, strict: bool) -> Iterator[Located]:
    """A row for each line; unless *strict*, a line that only looks like JSON is a prompt."""
    # Not splitlines(): U+2028 and its like are legal inside a JSON string.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"line {number} of {name}"
        said = _parsed(line, where) if strict else _json(line)
        if isinstance(said, str | dict):
            yield Located(where, _row(said))
        elif strict:
            raise InputError(
                f"{where} is no row.", expected="a JSON object, or a prompt as a JSON string"
            )
        else:
            yield Located(where, {PROMPT: line})


def _list(text: str, name: str) -> Iterator[Located]:
    rows = _parsed(text, name)
    if not isinstance(rows, list) or not all(isinstance(row, str | dict) for row in rows):
        raise InputError(f"{name} does not hold rows.", expected="a list of JSON objects")
    for number, row in enumerate(rows, start=1):
        yield Located(f"row {number} of {name}", _row(row))


def _table(text: str, name: str) -> Iterator[Located]:
    """A row for each record; an empty cell is as good as none."""
    delimiter = _delimiter(text.partition("\n")[0])
    records = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns = _record(records, name) or []
    if repeated := [column for column in columns if columns.count(column) > 1]:
        raise InputError(f"{name} has the column {repeated[0]!r} more than once.")
    while (cells := _record(records, name)) is not None:
        where = f"line {records.line_num} of {name}"
        if len(cells) not in (0, len(columns)):
            raise InputError(
                f"{where} has {len(cells)} cells.",
                expected=f"one for each column: {', '.join(columns)}",
                hint="A cell that holds the delimiter or a line break stands in double quotes.",
            )
        if any(cells):
            yield Located(where, {c: cell for c, cell in zip(columns, cells, strict=True) if cell})


def _record(records: Any, name: str) -> list[str] | None:
    """The next record, or `None` at the end."""
    try:
        return next(records, None)
    except csv.Error as error:
        line = records.line_num
        raise InputError(f"line {line} of {name} is not CSV: {error}.") from error


def _row(said: str | Row) -> Row:
    return {PROMPT: said} if isinstance(said, str) else said


def _json(line: str) -> Any:
    """What a line says in JSON, if it is an object or a text."""
    try:
        return json.loads(line) if line.lstrip()[:1] in ("{", '"') else None
    except (ValueError, RecursionError):
        return None


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}"
        raise InputError(f"{what} is not JSON, at {at}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{what} is not JSON that can be read: a number is too long, or it is nested too deep."
        ) from error


def numbered(rows: Iterable[Row], name: str) -> list[Located]:
    """Rows that a library has read, by their number."""
    return [Located(f"row {n} of {name}", row) for n, row in enumerate(rows, start=1)]
