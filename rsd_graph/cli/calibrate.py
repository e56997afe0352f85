"""`rsd-graph calibrate`: choose delta from your own prompts."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from rsd_graph.cli.solve import ENDPOINT_HELP


def calibrate(
    prompts: Annotated[str, typer.Argument(help="A file with one prompt per line; - for stdin.")],
    out: Annotated[Path, typer.Option(help="The calibration file to write.")] = Path(
        "calibrated.json"
    ),
    gamma: Annotated[float, typer.Option(help="At most this share of steps to the target.")] = 0.1,
    confidence: Annotated[float, typer.Option(help="Of keeping that budget.")] = 0.95,
    draft: Annotated[str, typer.Option(help=ENDPOINT_HELP)] = "embedded:draft",
    prm: Annotated[str, typer.Option(help="The same, after the PRM's family.")] = "embedded:prm",
    concurrency: Annotated[int, typer.Option(help="Prompts at a time.", min=1)] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the file's content.")] = False,
) -> None:
    """Choose delta for a budget: draft and PRM run once on PROMPTS, the target not at all.

    A line may hold a prompt as text, or a JSON string for prompts of several lines.
    """
    lines = sys.stdin.read() if prompts == "-" else Path(prompts).read_text(encoding="utf-8")
    asked = [_prompt(line) for line in lines.splitlines() if line.strip()]
    found = asyncio.run(_calibrate(asked, out, gamma, confidence, draft, prm, concurrency))
    print(json.dumps(found)) if as_json else _show(found, out)


def _prompt(line: str) -> str:
    return str(json.loads(line)) if line.startswith('"') else line


async def _calibrate(
    prompts: list[str],
    out: Path,
    gamma: float,
    confidence: float,
    draft: str,
    prm: str,
    concurrency: int,
) -> dict[str, Any]:
    from rsd_graph.evaluation.arms import Stack
    from rsd_graph.evaluation.calibration import choose, collect, write_calibration
    from rsd_graph.providers.registry import reward_model, step_model

    writer = step_model(draft, "draft")
    stack = Stack(draft=writer, target=writer, prm=reward_model(prm))
    sample = await collect(stack, prompts, concurrency=concurrency)
    choice, share = choose(sample, gamma, confidence)
    return write_calibration(out, choice, share, sample, draft=draft, prm=prm)


def _show(found: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    from rsd_graph.cli._show import screen

    console = screen()
    table = Table("delta", "target share", "target tokens a question", title="On your prompts")
    for point in found["sweep"]:
        table.add_row(
            f"{point['delta']:.3f}", f"{point['target_share']:.1%}", f"{point['target_tokens']:.1f}"
        )
    console.print(table)
    choice = found["choice"]
    console.print(
        f"delta {choice['delta']:.4f}: at most {choice['share_bound']:.1%} of the steps to the "
        f"target with confidence {choice['confidence']:.0%}; "
        f"{found['held_out_target_share']:.1%} on held-out prompts"
    )
    console.print(f"written to {out}; use it with ChatRSD(delta={str(out)!r})")
