"""`rsd-graph doctor`: is this stack fit for RSD?"""

from __future__ import annotations

import asyncio
import json
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli.terminal.flags import stack_options, takes

if TYPE_CHECKING:
    from rich.console import Console

    from rsd_graph.answer.limits import Limits
    from rsd_graph.providers.base import RewardModel
    from rsd_graph.stacks.doctor import Check, Example

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "bold red"}
_ROLE, _NAME, _VERDICT = 8, 30, 8
"""Widths of the columns."""


@takes("thinking")
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON array.")] = False,
) -> None:
    """Check every endpoint of a stack for what makes RSD wrong, and say how to mend it.

    Exit code 1 if a check fails; warnings are told and pass.
    """
    checks = asyncio.run(_examine(stack_options(context), quiet=as_json))
    if as_json:
        print(json.dumps([asdict(check) for check in checks]))
    if any(check.verdict == "fail" for check in checks):
        raise typer.Exit(1)


async def _examine(chosen: Mapping[str, Any], *, quiet: bool) -> list[Check]:
    """All findings, shown as they are made."""
    from rsd_graph.answer.options import names_of
    from rsd_graph.answer.thinking import Phases
    from rsd_graph.cli.terminal.screen import screen
    from rsd_graph.providers.registry import reward_model, step_model
    from rsd_graph.stacks.doctor import examine

    connection = {name: chosen.get(name) for name in names_of("connection")}
    parts = (
        step_model(chosen.get("draft", "embedded:draft"), "draft", **connection),
        step_model(chosen.get("target", "embedded:target"), "target", **connection),
        reward_model(chosen.get("prm", "embedded:prm"), **connection),
    )
    separator = chosen.get("step_separator", "\n\n")
    console = screen()
    checks: list[Check] = []
    if not quiet:
        _row(console, "seat", "check", "result", "seen", "bold")
    limits, phases = _limits(chosen), Phases(chosen.get("thinking"))
    example = _example(parts[2])
    findings = examine(*parts, example, limits=limits, separator=separator, phases=phases)
    async for check in findings:
        if not quiet:
            _show(console, check, checks[-1:])
        checks.append(check)
    if not quiet:
        _sum_up(console, checks)
    return checks


def _limits(chosen: Mapping[str, Any]) -> Limits:
    """Those of the stack."""
    from rsd_graph.answer.limits import Limits

    names = ("max_tokens", "max_step_tokens", "max_steps")
    return Limits(**{name: chosen[name] for name in names if name in chosen})


def _example(prm: RewardModel) -> Example:
    """A question this PRM can judge: the shipped one, wherever served, knows only its own task."""
    from rsd_graph.providers.prm.spelled import parts_of
    from rsd_graph.stacks.doctor import APPLES, SHIPPED

    families = [getattr(each, "family", None) for each in parts_of(prm)]
    return SHIPPED if "recompute" in families else APPLES


def _show(console: Console, check: Check, before: Sequence[Check]) -> None:
    """One line; the seat is named where it changes, and what to do stands below."""
    new = not before or before[0].role != check.role
    role = check.role if new else ""
    _row(console, role, check.name, check.verdict, check.detail, _COLOURS[check.verdict])
    if check.fix:
        _row(console, "", "", "", f"fix: {check.fix}", "bold")


def _row(console: Console, role: str, name: str, verdict: str, words: str, style: str) -> None:
    """Columns for people; in a pipe, every finding stays on one line."""
    from rich.text import Text

    from rsd_graph.cli.terminal.screen import printable

    margin = _ROLE + _NAME + _VERDICT
    lines = [printable(words)]
    if console.is_terminal and console.width >= 2 * margin:
        lines = textwrap.wrap(lines[0], console.width - margin) or [""]
    plain = Text(f"{role:<{_ROLE}}{name:<{_NAME}}")
    coloured = Text(f"{verdict:<{_VERDICT}}", style)
    seen = Text(("\n" + " " * margin).join(lines), "bold" if style == "bold" else "")
    console.print(plain + coloured + seen)


def _sum_up(console: Console, checks: Sequence[Check]) -> None:
    counts = Counter(check.verdict for check in checks)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ("pass", "warn", "fail"))
    console.print(f"{len(checks)} checks: {told}")
