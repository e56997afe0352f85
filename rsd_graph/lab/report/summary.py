"""From journalled answers to a table: accuracy with its interval, and what it cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from statistics import fmean

from rsd_graph.answer.flops import flops
from rsd_graph.answer.ledger import acceptance_rate, add, empty_ledger
from rsd_graph.answer.prices import cost
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.journal import Record
from rsd_graph.lab.setup import ROLES
from rsd_graph.lab.statistics import (
    Estimate,
    PairedDifference,
    bootstrap_interval,
    compare_paired,
    quantile,
    wilson_interval,
)


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the questions: how many, the accuracy, and how many the target wrote no step of."""

    questions: int
    accuracy: Estimate
    draft_alone: Estimate


@dataclass(frozen=True, slots=True)
class LevelPart(Part):
    """One level of difficulty."""

    level: int


@dataclass(frozen=True, slots=True)
class DatasetPart(Part):
    """One dataset of several, and the accuracy by the paper's grading if it was asked."""

    name: str
    paper_accuracy: float | None


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
        datasets: The same by dataset.
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
    levels: Sequence[LevelPart]
    datasets: Sequence[DatasetPart]

    def as_json(self) -> dict[str, object]:
        """As plain data; where answers have rewards, none is right or wrong."""
        return asdict(self) | ({"accuracy": None} if self.reward else {})


def summarise(arm: Arm, records: Sequence[Record], accounting: Accounting) -> ArmSummary:
    """One arm's row."""
    ledgers = [record["ledger"] for record in records if record["ledger"]]
    total = reduce(add, ledgers, empty_ledger())
    count = len(records)
    sizes, prices = accounting.parameters, accounting.prices
    spent = flops(total, sizes) if sizes else None
    seconds = [record["seconds"] for record in records]
    rewards = [record["reward"] for record in records if "reward" in record]
    return ArmSummary(
        name=arm.name,
        delta=arm.delta,
        questions=count,
        failures=sum(record["error"] is not None for record in records),
        accuracy=_accuracy(records),
        paper_accuracy=_like_paper(records),
        reward=bootstrap_interval(rewards) if rewards else None,
        decode_only=spent["decode_only"] / count if spent else None,
        full=spent["full"] / count if spent else None,
        money=cost(total, prices) / count if prices else None,
        acceptance=acceptance_rate(total),
        draft_alone=fmean(map(_is_draft_alone, records)),
        tokens={role: total[role]["completion_tokens"] / count for role in ROLES},
        p50=quantile(seconds, 0.5),
        p95=quantile(seconds, 0.95),
        levels=[] if rewards else _levels(records),
        datasets=_datasets(records),
    )


def compare(first: Sequence[Record], second: Sequence[Record]) -> PairedDifference:
    """Two arms on the same questions: the difference in accuracy, and McNemar's test.

    Of open-ended questions, the share the first arm wins less the share it loses, and the sign
    test, which is McNemar's with "wins" for "only the first is right". An answer that failed loses
    against any.
    """
    if not any("reward" in record for record in (*first, *second)):
        return compare_paired(
            [bool(record["correct"]) for record in first],
            [bool(record["correct"]) for record in second],
        )
    pairs = [(_reward(a), _reward(b)) for a, b in zip(first, second, strict=True)]
    return compare_paired([a > b for a, b in pairs], [b > a for a, b in pairs])


def win_rate(found: PairedDifference) -> Estimate:
    """The first arm's share of wins, ties counted half."""
    ahead = found.difference
    return Estimate((1 + ahead.value) / 2, (1 + ahead.low) / 2, (1 + ahead.high) / 2)


def _levels(records: Sequence[Record]) -> list[LevelPart]:
    parts: dict[int, list[Record]] = {}
    for record in records:
        if record["level"] is not None:
            parts.setdefault(record["level"], []).append(record)
    return [LevelPart(*_part(parts[level]), level) for level in sorted(parts)]


def _datasets(records: Sequence[Record]) -> list[DatasetPart]:
    """By where their questions come from, which their ids begin with."""
    parts: dict[str, list[Record]] = {}
    for record in records:
        parts.setdefault(record["question"].rpartition("/")[0], []).append(record)
    return [DatasetPart(*_part(part), name, _like_paper(part)) for name, part in parts.items()]


def _part(records: Sequence[Record]) -> tuple[int, Estimate, Estimate]:
    alone = wilson_interval(sum(map(_is_draft_alone, records)), len(records))
    return len(records), _accuracy(records), alone


def _like_paper(records: Sequence[Record]) -> float | None:
    """Share of right answers as the paper's evaluation grades; `None` where it was not asked."""
    verdicts = [record["paper_correct"] for record in records if "paper_correct" in record]
    return sum(verdicts) / len(records) if verdicts else None


def _accuracy(records: Sequence[Record]) -> Estimate:
    return wilson_interval(sum(bool(record["correct"]) for record in records), len(records))


def _is_draft_alone(record: Record) -> bool:
    """An answer that failed was written by nobody."""
    return record["ledger"] is not None and record["ledger"]["target_steps"] == 0


def _reward(record: Record) -> float:
    return float(record.get("reward", -math.inf))
