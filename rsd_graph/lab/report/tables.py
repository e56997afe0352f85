"""The tables of a report: headers, and the cells of each row."""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph.lab.report.summary import ArmSummary, win_rate
from rsd_graph.lab.report.text import UNITS, of, percent, scaled
from rsd_graph.lab.setup import ROLES
from rsd_graph.lab.statistics import PairedDifference

HEADERS = (
    "arm",
    "accuracy % [95 %]",
    "vs target (p)",
    "FLOPs decode-only",
    "FLOPs full",
    "accepted",
    "draft alone",
    "tokens d/t/p",
    "p50 s",
    "p95 s",
)
OPEN_ENDED = ("reward [95 %]", "wins % [95 %] vs target (p)")
"""What the table has instead of accuracies where nothing is right or wrong."""

MONEY = "cost per 1,000 questions"
"""Header of the column that only a price list fills."""


def headers(*, priced: bool, open_ended: bool = False) -> tuple[str, ...]:
    """The headers of `row`, with the column for money if there is a price list."""
    arm, *quality = HEADERS[:3]
    costs = list(HEADERS[3:])
    if priced:
        costs.insert(costs.index("FLOPs full") + 1, MONEY)
    return (arm, *(OPEN_ENDED if open_ended else quality), *costs)


def row(
    summary: ArmSummary,
    baseline: ArmSummary | None = None,
    versus: PairedDifference | None = None,
    *,
    open_ended: bool = False,
) -> tuple[str, ...]:
    """The cells of one row; costs in percent of the *baseline* arm's, usually the target alone.

    *versus* is the paired difference from the same arm, shown in points with McNemar's p; for
    *open_ended* questions as the share of wins, ties counted half, with the sign test's p.
    """
    quality = _open_ended if open_ended else _graded
    tokens = "/".join(f"{summary.tokens[role]:.0f}" for role in ROLES)
    return (
        summary.name + (f" ({summary.failures} failed)" if summary.failures else ""),
        *quality(summary, versus),
        _flops(summary.decode_only, baseline.decode_only if baseline else None),
        _flops(summary.full, baseline.full if baseline else None),
        *([] if summary.money is None else [_money(summary.money, baseline)]),
        "" if summary.acceptance is None else f"{summary.acceptance:.1%}",
        f"{summary.draft_alone:.0%}",
        tokens,
        f"{summary.p50:.2f}",
        f"{summary.p95:.2f}",
    )


def by_dataset(summaries: Sequence[ArmSummary]) -> list[tuple[str, ...]]:
    """Headers and rows of every arm's accuracy on each dataset; nothing if there is only one."""
    if not summaries or len(summaries[0].datasets) < 2:
        return []
    headers = [f"{part.name} ({part.questions})" for part in summaries[0].datasets]
    rows = [(s.name, *(percent(part.accuracy) for part in s.datasets)) for s in summaries]
    return [("accuracy % [95 %]", *headers), *rows]


def _graded(summary: ArmSummary, versus: PairedDifference | None) -> tuple[str, str]:
    points = f"{100 * versus.difference.value:+.1f} ({versus.p_value:.2g})" if versus else ""
    return percent(summary.accuracy), points


def _open_ended(summary: ArmSummary, versus: PairedDifference | None) -> tuple[str, str]:
    mean = summary.reward
    reward = f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]" if mean else ""
    wins = f"{percent(win_rate(versus))} ({versus.p_value:.2g})" if versus else ""
    return reward, wins


def _money(spent: float, baseline: ArmSummary | None) -> str:
    """For a thousand questions: one costs too little to be read."""
    amount = 1000 * spent
    shown = f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"
    return shown + of(spent, baseline.money if baseline else None)


def _flops(spent: float | None, baseline: float | None) -> str:
    if spent is None:
        return ""
    number, unit = scaled(spent, UNITS[:3])
    return f"{number:.1f}{unit}{of(spent, baseline)}"
