"""What a long run found, into `benchmarks/results`: the figures as JSON, and a page made of them.

A part is the sum of its runs. Each has a seed of its own, and replaces the one of that seed before.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
from collections.abc import Iterable, Mapping
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
A part is the sum of its runs, each with a seed of its own; all figures are of runs that ended.
"""


@dataclass(frozen=True)
class Part:
    """What one run counted, and what it found wrong.

    Attributes:
        seed: Of the run.
        counts: Numbers, which add up, and lists of what there was.
        violations: What was wrong.
        seconds: How long it took.
    """

    seed: int
    counts: Mapping[str, Any]
    violations: list[str]
    seconds: float


def keep(name: str, command: str, part: Part) -> None:
    """Put a run into the figures, and write the page anew; several processes may do so."""
    with FIGURES.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        figures = json.loads(file.read() or "{}")
        _add(figures, name, command, part)
        file.truncate(0)
        file.write(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
        PAGE.write_text(page(figures), encoding="utf-8")


def _add(figures: dict[str, Any], name: str, command: str, part: Part) -> None:
    runs = figures.setdefault(name, {"runs": {}})["runs"]
    runs[str(part.seed)] = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seconds": round(part.seconds),
        "counts": dict(part.counts),
        "violations": part.violations[:100],
    }
    figures[name] = {
        "command": command,
        "machine": f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}, shared",
        "python": platform.python_version(),
        "packages": ", ".join(f"{package} {version(package)}" for package in _PACKAGES),
        "runs": dict(sorted(runs.items(), key=lambda run: int(run[0]))),
    }


def page(figures: Mapping[str, Any]) -> str:
    """The report in Markdown."""
    return "\n".join([_HEAD, *(_section(name, figures[name]) for name in sorted(figures))])


def summed(counts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The counts of several runs as those of one."""
    total: dict[str, Any] = {}
    for one in counts:
        for what, count in one.items():
            both = total.get(what, type(count)()) + count
            total[what] = sorted(set(both)) if isinstance(both, list) else both
    return total


def _section(name: str, part: Mapping[str, Any]) -> str:
    runs = part["runs"].values()
    violations = [violation for run in runs for violation in run["violations"]]
    counts = summed(run["counts"] for run in runs) | {"violations": len(violations)}
    shown = {what: ", ".join(n) if isinstance(n, list) else n for what, n in counts.items()}
    rows = "\n".join(f"| {what} | {count} |" for what, count in shown.items())
    wrong = "".join(f"\n- `{violation[:300]}`" for violation in violations[:20])
    seconds, last = sum(run["seconds"] for run in runs), max(run["date"] for run in runs)
    return f"""\
## {name.capitalize()}

`{part["command"]}`, {seconds} s on {part["machine"]}, until {last}.
Seeds {", ".join(part["runs"])}.
Python {part["python"]}, {part["packages"]}.

| | |
|---|---|
{rows}
{wrong}
"""
