"""A summary as a table: the cells of its rows, for terminals and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph.lab.questions.open_ended import HEADERS as OPEN_ENDED
from rsd_graph.lab.questions.open_ended import win_rate
from rsd_graph.lab.report.summary import ROLES, ArmSummary
from rsd_graph.lab.statistics import Estimate, PairedDifference

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


MONEY = "cost per 1,000 questions"
"""Header of the column that only a price list fills."""


def headers(*, priced: bool, open_ended: bool = False) -> tuple[str, ...]:
    """The headers of `row`, with the column for money if there is a price list."""
    if open_ended:
        arm, _, _, *costs = headers(priced=priced)
        return (arm, *OPEN_ENDED, *costs)
    place = HEADERS.index("FLOPs full") + 1
    return (*HEADERS[:place], MONEY, *HEADERS[place:]) if priced else HEADERS


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
        _share(summary.decode_only, baseline.decode_only if baseline else None),
        _share(summary.full, baseline.full if baseline else None),
        *([] if summary.money is None else [_money(summary.money, baseline)]),
        "" if summary.acceptance is None else f"{summary.acceptance:.1%}",
        f"{summary.draft_alone:.0%}",
        tokens,
        f"{summary.p50:.2f}",
        f"{summary.p95:.2f}",
    )


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for people who read Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table for terminals: columns of one width, two spaces apart."""
    lines = [headers, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, cells, widths) for cells in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def by_dataset(summaries: Sequence[ArmSummary]) -> list[tuple[str, ...]]:
    """Headers and rows of every arm's accuracy on each dataset; nothing if there is only one."""
    if not summaries or len(summaries[0].datasets) < 2:
        return []
    headers = [f"{part.name} ({part.questions})" for part in summaries[0].datasets]
    rows = [(s.name, *(_percent(part.accuracy) for part in s.datasets)) for s in summaries]
    return [("accuracy % [95 %]", *headers), *rows]


def _graded(summary: ArmSummary, versus: PairedDifference | None) -> tuple[str, str]:
    points = f"{100 * versus.difference.value:+.1f} ({versus.p_value:.2g})" if versus else ""
    return _percent(summary.accuracy), points


def _open_ended(summary: ArmSummary, versus: PairedDifference | None) -> tuple[str, str]:
    mean = summary.reward
    reward = f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]" if mean else ""
    if versus is None:
        return reward, ""
    return reward, f"{_percent(win_rate(versus))} ({versus.p_value:.2g})"


def _percent(estimate: Estimate) -> str:
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


def _money(spent: float, baseline: ArmSummary | None) -> str:
    """For a thousand questions: one costs too little to be read."""
    of, amount = baseline.money if baseline else None, 1000 * spent
    shown = f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"
    return shown + (f" ({spent / of:.0%})" if of else "")


_UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6))


def _share(spent: float | None, of: float | None) -> str:
    if spent is None:
        return ""
    unit, size = next((row for row in _UNITS if spent >= row[1]), _UNITS[-1])
    return f"{spent / size:.1f}{unit}" + (f" ({spent / of:.0%})" if of else "")
