"""Writes the table of docs/options.md from the declarations.

python -m tests.helpers.options_page           write it
"""

from __future__ import annotations

import re
from pathlib import Path

from rsd_graph.answer.options import Options, declared

PAGE = Path(__file__).parents[2] / "docs" / "options.md"
_PARTS = {
    "answer": "Decides the answer",
    "waiting": "Decides what is started before it is needed; never changes the answer",
    "connection": "Decides how endpoints named by strings are reached",
    "report": "Decides what is told about the answer",
}
_MARK = re.compile(r"(<!-- options -->\n).*(<!-- end of options -->)", re.DOTALL)


def page() -> str:
    """The page as it should be: its own words, and a table for each part."""
    tables = "\n".join(f"## {title}\n\n{_table(part)}" for part, title in _PARTS.items())
    text = PAGE.read_text(encoding="utf-8")
    return _MARK.sub(lambda match: f"{match[1]}\n{tables}\n{match[2]}", text)


def _table(part: str) -> str:
    rows = [_row(name) for name, option in declared().items() if option.decides == part]
    return "\n".join(["| option | default | where | meaning |", "|---|---|---|---|", *rows, ""])


def _row(name: str) -> str:
    field, where = Options.model_fields[name], declared()[name].where
    default = "" if field.default is None else f"`{field.default!r}`"
    said = {
        "code": "Python",
        "file": "file",
        "flag": f"`--{name.replace('_', '-')}`, `RSD_{name.upper()}`",
    }
    meaning = " ".join((field.description or "").split())
    return f"| `{name}` | {default} | {', '.join(said[place] for place in where)} | {meaning} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
