"""Rows of a file of questions, by the end of its name.

    .jsonl .ndjson   a JSON object in each line, or a JSON string: a prompt
    .json            a list of them
    .csv .tsv        a line of column names first; comma, semicolon or tab
    .parquet         the same columns; needs the extra `parquet`
    anything else    a prompt in each line, or what a line of JSONL holds

Text that begins with a JSON object is JSONL, and text that begins with the names of columns is CSV,
whatever the file is called: neither is ever read as prompts. All but `.json` are read as they are
asked for, however long they are.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from rsd_graph.errors import CapabilityError, InputError
from rsd_graph.lab.questions.rows import PROMPT, QUESTIONS, Row

JSON_LINES, TABLES = (".jsonl", ".ndjson"), (".csv", ".tsv")
SUFFIXES = (*JSON_LINES, ".json", *TABLES, ".parquet", ".txt")
"""How the name of a file of questions may end; text may have any name."""

_DELIMITERS = ",;\t"


class Located(NamedTuple):
    """A row, and where it stands, for people: `line 3 of q.jsonl`."""

    where: str
    row: Row


def rows_of(lines: Iterable[str], name: str) -> Iterator[Located]:
    """The rows of a file called *name* that holds these *lines*, read as they are asked for.

    Raises:
        InputError: It is not what its name says; the message names the line.
    """
    kind = PurePath(name).suffix.lower()
    rest = iter(lines)
    begun = list(_to_first(rest))
    first = begun[-1] if begun else ""
    whole = chain(begun, rest)
    if kind == ".json":
        return _list("\n".join(whole), name)
    if kind in TABLES or (kind not in JSON_LINES and _heads(first)):
        return _table(whole, name, _delimiter(first))
    return _lines(whole, name, strict=kind in JSON_LINES or isinstance(_json(first), dict))


def _to_first(lines: Iterator[str]) -> Iterator[str]:
    """The lines as far as the first that is not blank."""
    for line in lines:
        yield line
        if line.strip():
            return


def _heads(line: str) -> bool:
    """Whether these are the names of a table's columns: no prompt looks like that."""
    cells = {cell.strip(' "') for cell in _cells(line)}
    return len(cells) > 1 and not cells.isdisjoint(QUESTIONS)


def _cells(line: str) -> list[str]:
    return line.split(_delimiter(line))


def _delimiter(line: str) -> str:
    return max(_DELIMITERS, key=line.count)


def _lines(lines: Iterable[str], name: str, *, strict: bool) -> Iterator[Located]:
    """A row for each line; unless *strict*, a line that only looks like JSON is a prompt."""
    for number, line in enumerate(lines, start=1):
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


def _table(lines: Iterable[str], name: str, delimiter: str) -> Iterator[Located]:
    """A row for each record; an empty cell is as good as none."""
    records = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, strict=True)
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


def numbered(rows: Iterable[Row], name: str) -> Iterator[Located]:
    """Rows that a library has read, by their number."""
    return (Located(f"row {n} of {name}", row) for n, row in enumerate(rows, start=1))


def parquet_rows(path: Path) -> Iterator[Row]:
    """The rows of a Parquet file, a few thousand in memory at a time.

    Raises:
        CapabilityError: The extra `parquet` is not installed.
        InputError: It is no Parquet file, or cannot be read.
    """
    parquet = parquet_library(path)
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from batch.to_pylist()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as Parquet: {error}.") from error


def parquet_library(path: Path) -> Any:
    """`pyarrow.parquet`, which reads and writes *path*.

    Raises:
        CapabilityError: It is not installed.
    """
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise CapabilityError(
            f"{path} needs the library pyarrow.",
            hint="Install it with: pip install 'rsd-graph[parquet]'",
        ) from error
    return pyarrow.parquet
