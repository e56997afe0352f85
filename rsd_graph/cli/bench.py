"""`rsd-graph bench`: how fast, against the paper's loop and others, in a latency simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rsd_graph.cli.terminal.flags import AsJson


def bench(
    quick: Annotated[
        bool,
        typer.Option(
            help="The main ratios, in 45 seconds: what a busy machine has no time for is left out."
        ),
    ] = False,
    preset: Annotated[str | None, typer.Option(help="Only this hardware preset.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write tables, JSON and pictures into this folder.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Latency and throughput against the paper's loop: a simulation, and what is really run.

    The full run takes an hour; pictures need matplotlib (the extra `eval`).
    """
    from rsd_graph.lab.latency.markdown import write
    from rsd_graph.lab.latency.scope import scope_for
    from rsd_graph.lab.latency.suite import run_suite

    results = run_suite(scope_for(quick, preset), _say_nothing if as_json else _say)
    print(json.dumps(results) if as_json else _summary(results))
    if out is not None:
        written = write(results, out) + _pictures(results, out)
        if not as_json:
            print("written:", *written)


def _say(what: str) -> None:
    typer.echo(what, err=True)


def _say_nothing(what: str) -> None:
    """Standard output belongs to the JSON, and nobody reads along."""


def _summary(results: dict[str, Any]) -> str:
    """The header and every claim, with what was measured."""
    from rsd_graph.lab.latency.claims import claims, hedges
    from rsd_graph.lab.latency.markdown import HEADER
    from rsd_graph.lab.latency.pays import comparisons, losses

    lines = [f"loses  {line}" for line in losses(comparisons(results["throughput"]))]
    lines += [f"{'ok   ' if c.holds else 'SHORT'}  {c.what}: {c.measured}" for c in claims(results)]
    lines += [f"hedge  {line}" for line in hedges(results)]
    for row in results["real"]:
        seconds = f"{row['mean']:.3f} s, {row['same_steps']:.0%} the same steps"
        lines.append(f"real   llama.cpp, {row['concurrency']} at once, {row['arm']}: {seconds}")
    return "\n".join([HEADER, "", *lines])


def _pictures(results: dict[str, object], folder: Path) -> list[Path]:
    try:
        from rsd_graph.lab.latency.charts import draw

        return draw(results, folder)
    except ModuleNotFoundError as error:
        _say(f"no pictures: {error}; install rsd-graph[eval]")
        return []
