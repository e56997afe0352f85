"""`rsd-graph eval`: measure the shipped models on held-out problems."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rsd_graph.evaluation.arms import Arm, Stack
    from rsd_graph.evaluation.journal import Record
    from rsd_graph.evaluation.synthetic import Task


def evaluate(
    problems: Annotated[int, typer.Option(help="How many held-out problems.", min=1)] = 300,
    delta: Annotated[float, typer.Option(help="Accept a draft step iff reward >= delta.")] = 0.7,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    lookahead: Annotated[str, typer.Option(help="Steps the draft may run ahead, or auto.")] = "0",
    seed: Annotated[int, typer.Option(help="Seed of the problems and of all sampling.")] = 0,
    concurrency: Annotated[int, typer.Option(help="Answers at a time.", min=1)] = 8,
    journal: Annotated[
        str | None, typer.Option(help="Keep answers in this JSONL file, and resume from it.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure draft, target and RSD on held-out problems, with the shipped models.

    Prints accuracy with 95 % intervals, the PRM's step-AUROC, and the cost in both accountings.
    """
    settings = {
        "problems": problems,
        "delta": delta,
        "temperature": temperature,
        "lookahead": int(lookahead) if lookahead.isdecimal() else lookahead,
        "seed": seed,
    }
    report = asyncio.run(_measure(settings, concurrency, journal, quiet=as_json))
    if as_json:
        print(json.dumps(report))
    else:
        _show(report)


async def _measure(
    settings: dict[str, Any], concurrency: int, journal: str | None, *, quiet: bool
) -> dict[str, Any]:
    from rsd_graph.evaluation.synthetic import embedded_stack, held_out, main_arms

    stack = embedded_stack(settings["temperature"])
    task = held_out(settings["problems"], settings["seed"])
    arms = main_arms(stack, settings["delta"], settings["lookahead"])
    records = await _answers(arms, task, settings, concurrency, journal, quiet)
    return await _report(stack, task, arms, records, settings)


async def _answers(
    arms: list[Arm],
    task: Task,
    settings: dict[str, Any],
    concurrency: int,
    journal: str | None,
    quiet: bool,
) -> list[Record]:
    """All answers, with a progress bar on stderr while they come in."""
    import tempfile
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from rsd_graph.evaluation.harness import evaluate as run
    from rsd_graph.evaluation.journal import Journal

    with (
        tempfile.TemporaryDirectory() as folder,
        Journal(journal or Path(folder) / "answers.jsonl", settings) as book,
        Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty()) as bar,
    ):
        bars = {arm.name: bar.add_task(arm.name, total=len(task.questions)) for arm in arms}
        for name, _ in book.records:
            bar.advance(bars[name])
        return await run(
            arms,
            task.questions,
            book,
            task.grade,
            concurrency=concurrency,
            seed=settings["seed"],
            progress=lambda record: bar.advance(bars[record["arm"]]),
        )


async def _report(
    stack: Stack, task: Task, arms: list[Arm], records: list[Record], settings: dict[str, Any]
) -> dict[str, Any]:
    from rsd_graph.embedded.card import read_card
    from rsd_graph.evaluation.summary import summarise
    from rsd_graph.evaluation.synthetic import step_auroc, step_rewards

    count = len(task.problems)
    by_arm = {arm.name: records[i * count : (i + 1) * count] for i, arm in enumerate(arms)}
    rewards, labels = await step_rewards(stack, task, by_arm["draft only"])
    rows = [summarise(name, answers, read_card().parameters) for name, answers in by_arm.items()]
    return {
        "conditions": _conditions(settings),
        "prm": {
            "step_auroc": step_auroc(rewards, labels),
            "steps": len(labels),
            "wrong_steps": labels.count(False),
        },
        "arms": [row.as_json() for row in rows],
        "table": _cells(rows),
    }


def _cells(rows: list[Any]) -> list[tuple[str, ...]]:
    from rsd_graph.evaluation.summary import row

    target = next(r for r in rows if r.name == "target only")
    return [row(r, target) for r in rows]


def _conditions(settings: dict[str, Any]) -> dict[str, Any]:
    import platform
    from importlib.metadata import version

    return {
        **settings,
        "rsd-graph": version("rsd-graph"),
        "engine": f"llama.cpp (xllamacpp {version('xllamacpp')})",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {platform.system()}",
    }


def _show(report: dict[str, Any]) -> None:
    from rich.table import Table

    from rsd_graph.cli._show import screen
    from rsd_graph.evaluation.summary import HEADERS

    console = screen()
    table = Table(*HEADERS, title="Held-out problems, shipped models, 95 % Wilson intervals")
    for cells in report["table"]:
        table.add_row(*cells)
    console.print(table)
    prm = report["prm"]
    area = "undefined" if prm["step_auroc"] is None else f"{prm['step_auroc']:.4f}"
    console.print(
        f"PRM step-AUROC {area} over {prm['steps']} draft steps up to the first error, "
        f"{prm['wrong_steps']} of them wrong"
    )
    console.print(", ".join(f"{name} {value}" for name, value in report["conditions"].items()))
