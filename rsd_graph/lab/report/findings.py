"""What an experiment found, and its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.journal import Record
from rsd_graph.lab.report.summary import ArmSummary, compare, summarise, win_rate
from rsd_graph.lab.report.text import UNITS, of, percent, scaled
from rsd_graph.lab.setup import ROLES
from rsd_graph.lab.statistics import PairedDifference

GRADED = ("accuracy % [95 %]", "vs target (p)")
OPEN_ENDED = ("reward [95 %]", "wins % [95 %] vs target (p)")
"""Columns of answers that are right or wrong, and of those that have a reward instead."""

COSTS = ("FLOPs decode-only", "FLOPs full")
MONEY = "cost per 1,000 questions"
"""The column that only a price list fills."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Each arm's answers by its name, and each arm's row."""

    records: Mapping[str, Sequence[Record]] = field(default_factory=dict)
    summaries: Sequence[ArmSummary] = ()

    def with_arm(self, arm: Arm, records: Sequence[Record], accounting: Accounting) -> Findings:
        """These, and what one more arm answered, summed up."""
        row = summarise(arm, records, accounting)
        return Findings({**self.records, arm.name: records}, [*self.summaries, row])

    @property
    def baseline(self) -> ArmSummary | None:
        """The target alone, if it took part."""
        return next((row for row in self.summaries if row.name == "target only"), None)

    @property
    def is_open_ended(self) -> bool:
        """Whether answers have rewards instead of being right or wrong."""
        return any(summary.reward for summary in self.summaries)

    def versus_target(self, name: str) -> PairedDifference | None:
        """One arm's paired difference from the target alone."""
        if self.baseline is None or name == self.baseline.name:
            return None
        return compare(self.records[name], self.records[self.baseline.name])

    @property
    def headers(self) -> tuple[str, ...]:
        """Headers of the table."""
        priced = any(summary.money is not None for summary in self.summaries)
        return (
            "arm",
            *(OPEN_ENDED if self.is_open_ended else GRADED),
            *COSTS,
            *([MONEY] if priced else []),
            *("accepted", "draft alone", "tokens d/t/p", "p50 s", "p95 s"),
        )

    def cells(self) -> list[tuple[str, ...]]:
        """The table. Costs are in percent of the target alone.

        The difference from the target alone is shown in points with McNemar's p; for open-ended
        questions as the share of wins, ties counted half, with the sign test's p.
        """
        return [self._row(summary) for summary in self.summaries]

    def by_dataset(self) -> list[tuple[str, ...]]:
        """Headers and rows of every arm's accuracy on each dataset, if there are several."""
        if not self.summaries or len(self.summaries[0].datasets) < 2:
            return []
        headers = [f"{part.name} ({part.questions})" for part in self.summaries[0].datasets]
        rows = [(s.name, *(percent(part.accuracy) for part in s.datasets)) for s in self.summaries]
        return [(GRADED[0], *headers), *rows]

    def errors(self) -> dict[str, str]:
        """The first error of each arm that had one."""
        failed = {name: [r["error"] for r in rs if r["error"]] for name, rs in self.records.items()}
        return {name: errors[0] for name, errors in failed.items() if errors}

    def as_json(self) -> list[dict[str, object]]:
        """Every row as plain data."""
        rows = []
        for summary in self.summaries:
            versus = self.versus_target(summary.name)
            rows.append(summary.as_json() | {"vs_target": asdict(versus) if versus else None})
        return rows

    def _row(self, summary: ArmSummary) -> tuple[str, ...]:
        base, versus = self.baseline, self.versus_target(summary.name)
        return (
            summary.name + (f" ({summary.failures} failed)" if summary.failures else ""),
            *(_open_ended if self.is_open_ended else _graded)(summary, versus),
            _flops(summary.decode_only, base.decode_only if base else None),
            _flops(summary.full, base.full if base else None),
            *_money(summary.money, base.money if base else None),
            "" if summary.acceptance is None else f"{summary.acceptance:.1%}",
            f"{summary.draft_alone:.0%}",
            "/".join(f"{summary.tokens[role]:.0f}" for role in ROLES),
            f"{summary.p50:.2f}",
            f"{summary.p95:.2f}",
        )


def _graded(summary: ArmSummary, versus: PairedDifference | None) -> tuple[str, str]:
    points = f"{100 * versus.difference.value:+.1f} ({versus.p_value:.2g})" if versus else ""
    return percent(summary.accuracy), points


def _open_ended(summary: ArmSummary, versus: PairedDifference | None) -> tuple[str, str]:
    mean = summary.reward
    reward = f"{mean.value:.2f} [{mean.low:.2f}, {mean.high:.2f}]" if mean else ""
    wins = f"{percent(win_rate(versus))} ({versus.p_value:.2g})" if versus else ""
    return reward, wins


def _money(spent: float | None, baseline: float | None) -> list[str]:
    """For a thousand questions: one costs too little to be read. No cell without a price list."""
    if spent is None:
        return []
    amount = 1000 * spent
    return [(f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}") + of(spent, baseline)]


def _flops(spent: float | None, baseline: float | None) -> str:
    if spent is None:
        return ""
    number, unit = scaled(spent, UNITS[:3])
    return f"{number:.1f}{unit}{of(spent, baseline)}"
