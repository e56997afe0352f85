"""Where a setting stands in a TOML file: Python's reader does not tell."""

from __future__ import annotations

import re

_TABLE = re.compile(r"\s*\[+([^\[\]]+)\]")
_KEY = re.compile(r"\s*([\w.\"'-]+)\s*=")


def line_of(path: tuple[str, ...], text: str) -> str:
    """`, line N` of the setting in a TOML *text*, or of the innermost table it is in."""
    table: tuple[str, ...] = ()
    found = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _names(header[1])
            found = f", line {number}" if path[: len(table)] == table else found
        elif key := _KEY.match(line):
            name = (*table, *_names(key[1]))
            if path[: len(name)] == name:
                return f", line {number}"
    return found


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(name.strip().strip("\"'") for name in dotted.split("."))
