"""How a calibration looks in a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from rsd_graph.cli._show import screen
from rsd_graph.lab.report.tables import text_table

_Cell = Callable[[Any], str]


def show(found: Mapping[str, Any], out: Path) -> None:
    """The sweep, the choice, what it was checked by, and how to use the file."""
    console = screen()
    console.print(_sweep_table(found))
    if alone := found["target_alone"]:
        console.print(f"the target alone: {', '.join(_alone(alone, found['cost_unit']))}")
    console.print(_choice(found))
    if check := found["check"]:
        console.print(_check_table(check, found["cost_unit"]))
        _show_difference(console, check)
    if found["target_alone"]:
        console.print(
            "estimates assume that a question with a rewritten step ends like the target's own "
            "answer, and that steps are decided one after the other"
        )
    if curve := found["reliability"]:
        gap = curve["expected_calibration_error"]
        console.print(f"an answer's lowest reward is off its accuracy by {gap:.1%} on average")
    console.print(f'written to {out}; use it with --delta {out}, or delta="{out}" in Python')


def _sweep_table(found: Mapping[str, Any]) -> str:
    """One row for each delta; columns that nothing is known for are left out."""
    alone = found["target_alone"]["cost"] if found["target_alone"] else 0
    columns: dict[str, tuple[str, _Cell]] = {
        "delta": ("delta", lambda value: f"{value:.4g}"),
        "target_share": ("target share", _share),
        "target_tokens": ("target tokens a question", lambda value: f"{value:.1f}"),
        "draft_alone": ("draft alone", _share),
        "draft_alone_accuracy": ("of those right", _share),
        "accuracy": ("right, estimated", _interval),
        "cost": (found["cost_unit"], lambda value: _amount(value) + _of(value, alone)),
        "seconds": ("seconds", lambda value: f"{value:.2f}"),
    }
    if found["cost_unit"] == "target tokens":
        del columns["cost"]
    known = [
        (name, header, cell)
        for name, (header, cell) in columns.items()
        if any(point[name] is not None for point in found["sweep"])
    ]
    rows = [
        ["" if point[name] is None else cell(point[name]) for name, _, cell in known]
        for point in found["sweep"]
    ]
    return text_table([header for _, header, _ in known], rows)


def _alone(alone: Mapping[str, Any], unit: str) -> list[str]:
    right = [f"{_interval(alone['accuracy'])} right"] if alone["accuracy"] else []
    return [*right, _spent(alone["cost"], unit), f"{alone['seconds']:.2f} s a question"]


def _choice(found: Mapping[str, Any]) -> str:
    """The delta, and what speaks for it."""
    kind, estimate = found["objective"]["kind"], found["estimate"]
    said = f"delta {found['delta']:.4g}"
    confidence = f"with confidence {found['objective']['confidence']:.0%}"
    if kind == "target share":
        bound = found["choice"]["share_bound"]
        return (
            f"{said}: at most {bound:.1%} of the steps to the target {confidence}; "
            f"{found['held_out_target_share']:.1%} on held-out prompts"
        )
    cost = _spent(estimate["cost"], found["cost_unit"])
    right = f"an estimated {estimate['accuracy']['value']:.1%} right for {cost}"
    if found["objective"]["goal"]:
        right += f"; at least {found['accuracy_bound']:.1%} {confidence}"
    if kind == "accuracy":
        return f"{said}: {right}"
    alone = "" if estimate["target_share"] else "; no step goes to the target: ask the draft alone"
    return f"{said}: most right answers for the cost, {right}{alone}"


def _check_table(check: Mapping[str, Any], unit: str) -> str:
    """What the pass estimates for the held-out prompts, and what RSD did with them."""
    lines: dict[str, tuple[str, _Cell]] = {
        "accuracy": ("right", _interval),
        "target_share": ("target share", _interval),
        "target_tokens": ("target tokens a question", _range),
        "cost": (unit, _range),
        "seconds": ("seconds a question", _range),
    }
    if unit == "target tokens":
        del lines["cost"]
    rows = [
        [header, cell(check[name]["estimated"]), cell(check[name]["measured"])]
        for name, (header, cell) in lines.items()
        if check[name]
    ]
    headers = [f"RSD on {check['prompts']} held-out prompts", "estimated", "measured"]
    return text_table(headers, rows)


def _show_difference(console: Console, check: Mapping[str, Any]) -> None:
    if found := check["accuracy_difference"]:
        value = found["difference"]
        console.print(
            f"measured accuracy less the estimated: {100 * value['value']:+.1f} points "
            f"[{100 * value['low']:+.1f}, {100 * value['high']:+.1f}], McNemar p "
            f"{found['p_value']:.2g}"
        )


def _spent(value: float, unit: str) -> str:
    """A cost in words."""
    if unit == "money":
        return f"{_amount(value)} a question at your prices"
    return f"{_amount(value)} {unit} a question"


def _of(value: float, alone: float) -> str:
    """In percent of the target alone, if that cost something."""
    return f" ({value / alone:.0%})" if alone else ""


def _share(value: float) -> str:
    return f"{value:.1%}"


def _interval(value: Mapping[str, float]) -> str:
    low, high = 100 * value["low"], 100 * value["high"]
    return f"{value['value']:.1%} [{low:.1f}, {high:.1f}]"


def _range(value: Mapping[str, float]) -> str:
    return " ".join(
        (_amount(value["value"]), f"[{_amount(value['low'])}, {_amount(value['high'])}]")
    )


_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def _amount(value: float) -> str:
    """A cost in any unit, to three digits."""
    size, letter = next((unit for unit in _UNITS if abs(value) >= unit[0]), (1.0, ""))
    return f"{value / size:.3g}{letter}"
