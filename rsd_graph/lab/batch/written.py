"""Merged answers as files: a journal again, OpenAI's batch format, or Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path

from rsd_graph.lab.batch.merge import Parts
from rsd_graph.lab.batch.row import NESTED, NUMBER, TEXTS, row_of
from rsd_graph.lab.batch.shard import digest
from rsd_graph.lab.files import json_line, written_whole
from rsd_graph.lab.journal import Record
from rsd_graph.lab.questions.files import parquet_library

OPENAI = {"requests": "openai"}
"""What the configuration of a batch adds whose questions are requests in OpenAI's words."""

_ROWS_AT_ONCE = 1024


def write_merged(parts: Parts, path: Path) -> None:
    """Write all answers to *path*, all at once or not at all; its name says how.

    `.parquet` is a table. Anything else is a line of JSON for each answer: in OpenAI's batch format
    if the questions were, else a journal that `view` reads and `batch` goes on with.

    Raises:
        CapabilityError: Parquet, without the extra `parquet`.
        ConfigurationError: It cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        _write_parquet(parts.latest(), path)
        return
    if {"requests": parts.config.get("requests")} == OPENAI:
        rows: Iterator[Mapping[str, object]] = map(openai_line, parts.latest())
    else:
        rows = _journal(parts)
    with written_whole(path) as beside, beside.open("wb") as file:
        file.writelines(map(json_line, rows))


def openai_line(record: Record) -> dict[str, object]:
    """A record as a line of OpenAI's batch output."""
    line: dict[str, object] = {
        "id": f"batch_req_{digest(record['question']):016x}",
        "custom_id": record["question"].partition("/")[2],
        "response": None,
        "error": None,
    }
    if record["error"] is None:
        body = record["response"]
        line["response"] = {"status_code": 200, "request_id": body["id"], "body": body}
    else:
        kind, _, message = record["error"].partition(": ")
        line["error"] = {"code": kind, "message": message}
    return line


def _journal(parts: Parts) -> Iterator[Mapping[str, object]]:
    yield parts.header
    yield from parts.latest()


def _write_parquet(records: Iterator[Record], path: Path) -> None:
    parquet = parquet_library(path)
    import pyarrow

    text, number = pyarrow.string(), pyarrow.float64()
    columns = dict.fromkeys(TEXTS, text) | {NUMBER: number} | dict.fromkeys(NESTED, text)
    schema = pyarrow.schema(list(columns.items()))
    with written_whole(path) as beside, parquet.ParquetWriter(beside, schema) as file:
        while rows := [*map(row_of, islice(records, _ROWS_AT_ONCE))]:
            file.write_table(pyarrow.Table.from_pylist(rows, schema))
