"""From journalled answers to a table: accuracy with its interval, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from statistics import fmean
from typing import Any

from rsd_graph.errors import Role
from rsd_graph.evaluation.arms import Arm
from rsd_graph.evaluation.journal import Record
from rsd_graph.evaluation.open_ended import HEADERS as OPEN_ENDED
from rsd_graph.evaluation.open_ended import compare_rewards, win_rate
from rsd_graph.evaluation.statistics import (
    Estimate,
    PairedDifference,
    bootstrap_interval,
    compare_paired,
    quantile,
    wilson_interval,
)
from rsd_graph.ledger import Ledger, PerRole, acceptance_rate, add, empty_ledger, flops
from rsd_graph.prices import Prices, cost

_ROLES: tuple[Role, ...] = ("draft", "target", "prm")


@dataclass(frozen=True, slots=True)
class LevelSummary:
    """One level of difficulty: questions, accuracy, and how many the target wrote no step of."""

    level: int
    questions: int
    accuracy: Estimate
    draft_alone: Estimate


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """One row of the table.

    Attributes:
        name: The arm.
        delta: Its threshold, if one decides everything.
        questions: How many were asked, failures included.
        failures: Answers that ended in an error; they count as wrong.
        accuracy: Share answered right, with its 95 % Wilson interval.
        paper_accuracy: The same as the paper's evaluation would grade, where it was asked.
        reward: Open-ended questions instead: the mean reward of the answers there are, with its
            95 % bootstrap interval.
        decode_only: FLOPs per question in the paper's accounting; `None` if the sizes of the
            models are unknown.
        full: FLOPs per question with everything each model read and wrote; likewise.
        money: What a question costs by the price list; `None` without one.
        acceptance: Share of decided drafts that were accepted, if the arm decides any.
        draft_alone: Share of questions the target wrote no step of.
        tokens: Tokens generated per question, by role.
        p50: Median seconds per answer, under the concurrency of the run.
        p95: 95th percentile of the same.
        levels: The same by level of difficulty, where questions have one.
    """

    name: str
    delta: float | None
    questions: int
    failures: int
    accuracy: Estimate
    paper_accuracy: float | None
    reward: Estimate | None
    decode_only: float | None
    full: float | None
    money: float | None
    acceptance: float | None
    draft_alone: float
    tokens: dict[str, float]
    p50: float
    p95: float
    levels: Sequence[LevelSummary]

    def as_json(self) -> dict[str, Any]:
        """As plain data; where answers have rewards, none is right or wrong."""
        return asdict(self) | ({"accuracy": None} if self.reward else {})


def summarise(
    arm: Arm,
    records: Sequence[Record],
    parameters: PerRole | None,
    prices: Prices | None = None,
) -> ArmSummary:
    """One arm's row."""
    ledgers = [record["ledger"] for record in records if record["ledger"]]
    total: Ledger = reduce(add, ledgers, empty_ledger())
    count = len(records)
    spent = flops(total, parameters) if parameters else None
    seconds = [record["seconds"] for record in records]
    rewards = [record["reward"] for record in records if "reward" in record]
    like_paper = [record["paper_correct"] for record in records if "paper_correct" in record]
    return ArmSummary(
        name=arm.name,
        delta=arm.delta,
        questions=count,
        failures=sum(record["error"] is not None for record in records),
        accuracy=_accuracy(records),
        paper_accuracy=sum(like_paper) / count if like_paper else None,
        reward=bootstrap_interval(rewards) if rewards else None,
        decode_only=spent["decode_only"] / count if spent else None,
        full=spent["full"] / count if spent else None,
        money=cost(total, prices) / count if prices else None,
        acceptance=acceptance_rate(total),
        draft_alone=fmean(map(_is_draft_alone, records)),
        tokens={role: total[role]["completion_tokens"] / count for role in _ROLES},
        p50=quantile(seconds, 0.5),
        p95=quantile(seconds, 0.95),
        levels=[
            _level(level, [record for record in records if record["level"] == level])
            for level in sorted({r["level"] for r in records if r["level"] is not None})
            if not rewards
        ],
    )


def compare(first: Sequence[Record], second: Sequence[Record]) -> PairedDifference:
    """Two arms on the same questions: the difference in accuracy, or wins, and McNemar's test."""
    if any("reward" in record for record in (*first, *second)):
        return compare_rewards(first, second)
    return compare_paired(
        [bool(record["correct"]) for record in first],
        [bool(record["correct"]) for record in second],
    )


def _level(level: int, records: Sequence[Record]) -> LevelSummary:
    alone = wilson_interval(sum(map(_is_draft_alone, records)), len(records))
    return LevelSummary(level, len(records), _accuracy(records), alone)


def _accuracy(records: Sequence[Record]) -> Estimate:
    return wilson_interval(sum(bool(record["correct"]) for record in records), len(records))


def _is_draft_alone(record: Record) -> bool:
    """An answer that failed was written by nobody."""
    return record["ledger"] is not None and record["ledger"]["target_steps"] == 0


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
    tokens = "/".join(f"{summary.tokens[role]:.0f}" for role in _ROLES)
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
