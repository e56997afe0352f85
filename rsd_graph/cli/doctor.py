"""`rsd-graph doctor`: is this stack fit for RSD?"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli.solve import ENDPOINT_HELP

if TYPE_CHECKING:
    from rsd_graph.doctor import Check

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red"}


def doctor(
    config: Annotated[str | None, typer.Option(help="A TOML file of stacks.")] = None,
    stack: Annotated[str | None, typer.Option(help="Which stack of the file.")] = None,
    draft: Annotated[str, typer.Option(help=ENDPOINT_HELP)] = "embedded:draft",
    target: Annotated[str, typer.Option(help=ENDPOINT_HELP)] = "embedded:target",
    prm: Annotated[str, typer.Option(help="The same, after the PRM's family.")] = "embedded:prm",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Check every endpoint of a stack for what makes RSD wrong, and say how to mend it.

    Exit code 1 if a check fails; warnings are told and pass.
    """
    models = {"draft": draft, "target": target, "prm": prm}
    checks = asyncio.run(_examine(config, stack, models, quiet=as_json))
    if as_json:
        print(json.dumps([asdict(check) for check in checks]))
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(1)


async def _examine(
    config: str | None, stack: str | None, models: dict[str, Any], *, quiet: bool
) -> list[Check]:
    """All findings, shown as they are made."""
    from rsd_graph.cli._show import screen
    from rsd_graph.config import load_stack
    from rsd_graph.doctor import examine
    from rsd_graph.providers.registry import reward_model, step_model

    chosen = load_stack(config, stack) if config else models
    parts = (
        step_model(chosen["draft"], "draft"),
        step_model(chosen["target"], "target"),
        reward_model(chosen["prm"]),
    )
    console, checks = screen(), []
    async for check in examine(*parts, _example(chosen["prm"])):
        checks.append(check)
        if not quiet:
            _show(console, check)
    return checks


def _example(prm: Any) -> Any:
    """A question this PRM can judge: the shipped one knows nothing but its own task."""
    from rsd_graph.doctor import APPLES, SHIPPED

    return SHIPPED if isinstance(prm, str) and prm.startswith("embedded:prm") else APPLES


def _show(console: Any, check: Check) -> None:
    mark = f"[{check.verdict}]"
    console.print(mark, style=_COLOURS[check.verdict], end=" ")
    console.print(f"{check.role:<7} {check.name}: {check.detail}")
    if check.fix:
        console.print(f"       {check.fix}", style="bold")
