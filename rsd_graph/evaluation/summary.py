"""From journalled answers to a table: accuracy with its interval, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from statistics import fmean
from typing import Any

from rsd_graph.errors import Role
from rsd_graph.evaluation.journal import Record
from rsd_graph.evaluation.statistics import Estimate, quantile, wilson_interval
from rsd_graph.ledger import Ledger, PerRole, acceptance_rate, add, empty_ledger, flops

_ROLES: tuple[Role, ...] = ("draft", "target", "prm")


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """One row of the table.

    Attributes:
        name: The arm.
        questions: How many were asked, failures included.
        failures: Answers that ended in an error; they count as wrong.
        accuracy: Share answered right, with its 95 % Wilson interval.
        decode_only: FLOPs per question in the paper's accounting.
        full: FLOPs per question with everything each model read and wrote.
        acceptance: Share of decided drafts that were accepted, if the arm decides any.
        draft_alone: Share of questions the target wrote no step of.
        tokens: Tokens generated per question, by role.
        p50: Median seconds per answer, under the concurrency of the run.
        p95: 95th percentile of the same.
    """

    name: str
    questions: int
    failures: int
    accuracy: Estimate
    decode_only: float
    full: float
    acceptance: float | None
    draft_alone: float
    tokens: dict[str, float]
    p50: float
    p95: float

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def summarise(name: str, records: Sequence[Record], parameters: PerRole) -> ArmSummary:
    """One arm's row."""
    ledgers = [record["ledger"] for record in records if record["ledger"]]
    total: Ledger = reduce(add, ledgers, empty_ledger())
    count = len(records)
    spent = flops(total, parameters)
    seconds = [record["seconds"] for record in records]
    return ArmSummary(
        name=name,
        questions=count,
        failures=sum(record["error"] is not None for record in records),
        accuracy=wilson_interval(sum(bool(record["correct"]) for record in records), count),
        decode_only=spent["decode_only"] / count,
        full=spent["full"] / count,
        acceptance=acceptance_rate(total),
        draft_alone=fmean(float(ledger["target"]["calls"] == 0) for ledger in ledgers or [total]),
        tokens={role: total[role]["completion_tokens"] / count for role in _ROLES},
        p50=quantile(seconds, 0.5),
        p95=quantile(seconds, 0.95),
    )


HEADERS = (
    "arm",
    "accuracy, 95 % interval",
    "decode-only FLOPs",
    "full FLOPs",
    "accepted",
    "draft alone",
    "tokens draft/target/prm",
    "p50 s",
    "p95 s",
)


def row(summary: ArmSummary, baseline: ArmSummary | None) -> tuple[str, ...]:
    """The cells of one row; costs in percent of the *baseline* arm's, usually the target alone."""
    tokens = "/".join(f"{summary.tokens[role]:.0f}" for role in _ROLES)
    return (
        summary.name + (f" ({summary.failures} failed)" if summary.failures else ""),
        _percent(summary.accuracy),
        _share(summary.decode_only, baseline.decode_only if baseline else None),
        _share(summary.full, baseline.full if baseline else None),
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


def _percent(estimate: Estimate) -> str:
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}]"


def _share(flops_spent: float, of: float | None) -> str:
    amount = f"{flops_spent / 1e6:.1f}M"
    return f"{amount} ({flops_spent / of:.0%})" if of else amount
