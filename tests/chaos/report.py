"""The report of the long runs: figures in a JSON file, and a page made of them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
FIGURES = RESULTS / "chaos.json"
PAGE = RESULTS / "chaos.md"

_PACKAGES = ("rsd-graph", "langgraph", "langchain-core", "openai", "aiohttp", "pydantic")

_HEAD = """\
# Under fire

Written by `make chaos`; [Promises](../../docs/promises.md) says what is promised and tested.
Each part was run by itself; its date, machine and versions stand with it.
"""


@dataclass(frozen=True)
class Part:
    """What one long run counted, and what it found wrong."""

    counts: Mapping[str, Any]
    violations: list[str]
    seconds: float


def keep(name: str, command: str, part: Part) -> None:
    """Put a part into the figures, and write the page anew."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.exists() else {}
    figures[name] = {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": round(part.seconds),
        "machine": f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, shared",
        "python": platform.python_version(),
        "packages": ", ".join(f"{package} {version(package)}" for package in _PACKAGES),
        "counts": dict(part.counts),
        "violations": part.violations[:100],
    }
    FIGURES.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    PAGE.write_text(page(figures), encoding="utf-8")


def page(figures: Mapping[str, Any]) -> str:
    """The report in Markdown."""
    return "\n".join([_HEAD, *(_section(name, figures[name]) for name in sorted(figures))])


def _section(name: str, part: Mapping[str, Any]) -> str:
    rows = "\n".join(f"| {what} | {count} |" for what, count in part["counts"].items())
    wrong = "".join(f"\n- `{violation[:300]}`" for violation in part["violations"][:20])
    return f"""\
## {name.capitalize()}

`{part["command"]}`, {part["date"]}, {part["seconds"]} s on {part["machine"]}.
Python {part["python"]}, {part["packages"]}.

| | |
|---|---|
{rows}
{wrong}
"""
