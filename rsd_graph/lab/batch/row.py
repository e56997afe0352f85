"""A record as a row of a table, and back: plain columns, and JSON for what is nested."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from rsd_graph.lab.batch.work import ARM
from rsd_graph.lab.journal import Record

TEXTS = ("question", "prompt", "answer", "text", "finish_reason", "error")
NUMBER = "seconds"
NESTED = ("steps", "ledger", "spent", "response")
"""Columns that hold JSON: their shape differs from answer to answer."""

_OPTIONAL = ("answer", "spent", "response")
"""What a record need not have."""


def row_of(record: Record) -> dict[str, object]:
    """A record as a row."""
    told: Mapping[str, object] = record
    plain = {name: _whole(told.get(name)) for name in (*TEXTS, NUMBER)}
    return plain | {name: json.dumps(told.get(name)) for name in NESTED}


def record_in(row: Mapping[str, Any]) -> Record:
    """The record that a row was made of."""
    plain = {name: row[name] for name in (*TEXTS, NUMBER)}
    nested = {name: json.loads(row[name]) for name in NESTED}
    found = {"arm": ARM, "level": None, **plain, **nested}
    absent = [name for name in _OPTIONAL if found[name] is None]
    return cast("Record", {name: found[name] for name in found if name not in absent})


def _whole(value: object) -> object:
    """Half a surrogate pair is no text that a table could hold."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
