"""How a calibration looks in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from rsd_graph.cli.terminal.screen import screen, show_table
from rsd_graph.lab.calibration.calibrate import Calibration, TargetAlone
from rsd_graph.lab.calibration.check import Check, Compared
from rsd_graph.lab.calibration.sweep import SweepPoint
from rsd_graph.lab.report.text import of, percent, points, short
from rsd_graph.lab.statistics import Estimate

T = TypeVar("T")

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Headers and rows."""

TOKENS = "target tokens"


def show_calibration(found: Calibration, out: Path) -> None:
    """The sweep, the choice, what it was checked by, and how to use the file."""
    console = screen()
    unit = found.plan.accounting.unit
    show_table(console, *_sweep_table(found))
    if alone := found.target_alone:
        console.print(f"the target alone: {_alone(alone, unit)}")
    console.print(_choice(found))
    if check := found.check:
        show_table(console, *_check_table(check, unit))
        if difference := check.accuracy_difference:
            console.print(
                "measured accuracy less the estimated: "
                f"{points(difference.difference, ' points')}, McNemar p {difference.p_value:.2g}"
            )
    if alone:
        console.print(
            "estimates assume that a question with a rewritten step ends like the target's own "
            "answer, and that steps are decided one after the other"
        )
    if curve := found.reliability:
        gap = curve.expected_calibration_error
        console.print(f"an answer's lowest reward is off its accuracy by {gap:.1%} on average")
    console.print(f'written to {out}; use it with --delta {out}, or delta="{out}" in Python')


def _sweep_table(found: Calibration) -> Table:
    """One row for each delta; columns that nothing is known for are left out."""
    unit, alone = found.plan.accounting.unit, found.target_alone
    columns: dict[str, Callable[[SweepPoint], str]] = {
        "delta": lambda p: f"{p.delta:.4g}",
        "target share": lambda p: f"{p.target_share:.1%}",
        "target tokens a question": lambda p: f"{p.target_tokens:.1f}",
        "draft alone": lambda p: f"{p.draft_alone:.1%}",
        "of those right": lambda p: _known(p.draft_alone_accuracy, "{:.1%}".format),
        "right, estimated": lambda p: _known(p.accuracy, _right),
        unit: lambda p: _known(p.cost, lambda c: short(c) + of(c, alone.cost if alone else None)),
        "seconds": lambda p: _known(p.seconds, "{:.2f}".format),
    }
    if unit == TOKENS:
        del columns[unit]  # they have a column
    cells = [[cell(point) for point in found.sweep] for cell in columns.values()]
    known = [(name, column) for name, column in zip(columns, cells, strict=True) if any(column)]
    headers, filled = zip(*known, strict=True)
    return headers, list(zip(*filled, strict=True))


def _known(value: T | None, cell: Callable[[T], str]) -> str:
    return "" if value is None else cell(value)


def _right(accuracy: Estimate) -> str:
    return percent(accuracy, "%")


def _alone(alone: TargetAlone, unit: str) -> str:
    right = f"{_right(alone.accuracy)} right, " if alone.accuracy else ""
    return f"{right}{_spent(alone.cost, unit)}, {alone.seconds:.2f} s a question"


def _choice(found: Calibration) -> str:
    """The delta, and what speaks for it."""
    objective, choice = found.plan.objective, found.choice
    delta = f"delta {choice.delta:.4g}"
    confidence = f"with confidence {objective.confidence:.0%}"
    if choice.bound:
        return (
            f"{delta}: at most {choice.bound.share_bound:.1%} of the steps to the target "
            f"{confidence}; {found.held_out_target_share:.1%} on held-out prompts"
        )
    estimate = choice.estimate
    right = f"an estimated {_known(estimate.accuracy, lambda a: f'{a.value:.1%}')} right for "
    right += _known(estimate.cost, lambda cost: _spent(cost, found.plan.accounting.unit))
    if objective.goal:
        right += f"; at least {choice.accuracy_bound:.1%} {confidence}"
    if objective.kind == "accuracy":
        return f"{delta}: {right}"
    alone = "" if estimate.target_share else "; no step goes to the target: ask the draft alone"
    return f"{delta}: most right answers for the cost, {right}{alone}"


def _check_table(check: Check, unit: str) -> Table:
    """What the pass estimates for the held-out prompts, and what RSD did with them."""
    lines: list[tuple[str, Compared | None, Callable[[Estimate], str]]] = [
        ("right", check.accuracy, _right),
        ("target share", check.target_share, _right),
        ("target tokens a question", check.target_tokens, _range),
        (unit, None if unit == TOKENS else check.cost, _range),
        ("seconds a question", check.seconds, _range),
    ]
    rows = [[name, cell(both.estimated), cell(both.measured)] for name, both, cell in lines if both]
    headers = [f"RSD on {check.prompts} held-out prompts", "estimated", "measured"]
    return headers, rows


def _spent(value: float, unit: str) -> str:
    """A cost in words."""
    if unit == "money":
        return f"{short(value)} a question at your prices"
    return f"{short(value)} {unit} a question"


def _range(value: Estimate) -> str:
    return f"{short(value.value)} [{short(value.low)}, {short(value.high)}]"
