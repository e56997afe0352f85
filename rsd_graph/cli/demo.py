"""`rsd-graph demo`: the shipped models at work, and what the target alone would have cost."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer


def demo(
    plain: Annotated[bool, typer.Option("--plain", help="No colour.")] = False,
) -> None:
    """Watch the shipped models solve three problems.

    Really run, and compared with what the target alone needs for the same problems.
    """
    from rsd_graph.cli.terminal.demo import run_demo
    from rsd_graph.cli.terminal.screen import screen

    asyncio.run(run_demo(screen(plain=plain)))
