"""PostgreSQL as checkpointer: threads at once, SIGKILL, room, time travel, whole histories.

    python -m benchmarks.postgres

writes `results/postgres.md`. It needs PostgreSQL's binaries (Debian's `postgresql`),
`langgraph-checkpoint-postgres` and `psycopg[binary]`, and starts a server of its own. The models
are functions that wait 2 ms: what is measured is the database and LangGraph, in counts.
"""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path

from benchmarks.postgres.answers import MODEL_SECONDS, STEPS
from benchmarks.postgres.server import postgres, server_version
from benchmarks.postgres.storage import grown
from benchmarks.postgres.trials import at_once, killed, live, travelled
from rsd_graph.lab.latency.tables import table

RESULT = Path(__file__).parents[1] / "results" / "postgres.md"
THREADS, KILLS = 64, 30
GROWTH = (25, 50, 100, 200)


def report(url: str) -> str:
    """Everything, measured."""
    same = asyncio.run(at_once(url, THREADS))
    deaths, answers, resumed = asyncio.run(killed(url, KILLS))
    decided, right = asyncio.run(travelled(url))
    found = [asyncio.run(grown(url, steps)) for steps in GROWTH]
    names = ("langgraph", "langgraph-checkpoint-postgres", "psycopg")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    rows = [
        [
            one.steps,
            one.checkpoints,
            f"{one.kilobytes:,.0f} kB",
            *map("{:,}".format, (one.resume, one.newest, one.listed, one.looped, one.history)),
            f"{one.history_cpu:.1f} s",
        ]
        for one in found
    ]
    return "\n".join(
        [
            "# Checkpoints in PostgreSQL",
            "",
            f"`python -m benchmarks.postgres`: PostgreSQL {server_version()} with its usual "
            f"settings, {versions}; {platform.machine()}, {os.cpu_count()} cores, Python "
            f"{platform.python_version()}. The models are functions that wait {MODEL_SECONDS:g} s; "
            f"answers of {STEPS} steps of 400 characters, every fourth draft rejected.",
            "",
            f"- {THREADS} answers at once over 8 connections, durability `sync`: {same} stored as "
            "a run without a checkpointer has them.",
            f"- {deaths} processes killed with SIGKILL at random moments of {answers} answers: "
            f"{resumed} of {answers} resumed to the undisturbed answer.",
            f"- Time travel: gone back to {decided} accepted drafts of an answer and decided anew "
            f"with a stricter delta: {right} right, the old answer still there.",
            "",
            "## What one answer takes",
            "",
            "Rows are those that PostgreSQL fetched, by its own count.",
            "",
            table(
                "steps|checkpoints|stored|rows: newest state|ten newest states|checkpointer's list"
                "|the same, nested loops|all states|our CPU for all states",
                rows,
            ),
            "",
        ]
    )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        asyncio.run(live(sys.argv[1], sys.argv[2], int(sys.argv[3])))
    else:
        with postgres() as address:
            RESULT.write_text(report(address), encoding="utf-8")
        print(RESULT.read_text(encoding="utf-8"))
