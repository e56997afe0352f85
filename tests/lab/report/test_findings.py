"""What an experiment found, as rows of a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsd_graph import PerRole, reward_threshold
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.answer.prices import Price, Prices
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.journal import Journal, Judgement, Record
from rsd_graph.lab.question import Question
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.summary import summarise
from rsd_graph.lab.runner import answer_all
from tests.helpers.counted_models import setup

QUESTIONS = [Question(f"q/{n}", f"question {n}", "right", "math", level=n % 2) for n in range(6)]
SIZES = Accounting(PerRole(draft=1, target=10, prm=1))


async def grade(question: Question, text: str) -> Judgement:
    return {"correct": "wrong" not in text}


async def test_a_summary_has_both_accountings(tmp_path: Path) -> None:
    """Accuracy with its interval, and FLOPs per question, decode-only and in full."""
    arm = rsd(setup(), reward_threshold(0.7))
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        records = await answer_all(arm, QUESTIONS, grade, journal)

    row = summarise(arm, records, SIZES)

    assert row.accuracy.value == 1.0
    assert row.accuracy.low < 1.0
    # draft 3 x 2 tokens, target 2 tokens, PRM one per scored step
    assert row.decode_only == 2 * (6 * 1 + 2 * 10 + 3 * 1)
    # and all they read: draft 3 x 9, target 9, PRM 3 x 20
    assert row.full == 2 * ((6 + 27) * 1 + (2 + 9) * 10 + 60 * 1)
    assert [(part.level, part.questions) for part in row.levels] == [(0, 3), (1, 3)]


async def test_costs_are_shown_in_percent_of_the_target_alone(tmp_path: Path) -> None:
    """So are differences in points; money only where there are prices."""
    prices = Prices(draft=Price(0, 1), target=Price(0, 1e6), prm=Price(0, 0))
    findings = Findings()
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        for arm in (alone(setup(), "draft"), alone(setup(), "target")):
            records = await answer_all(arm, QUESTIONS, grade, journal)
            findings = findings.with_arm(arm, records, Accounting(SIZES.parameters, prices))

    draft, target = findings.cells()

    assert findings.headers[:6] == (
        "arm",
        "accuracy % [95 %]",
        "vs target (p)",
        "FLOPs decode-only",
        "FLOPs full",
        "cost per 1,000 questions",
    )
    assert draft[:6] == (
        "draft only",
        "0.0 [0.0, 39.0]",
        "-100.0 (0.031)",
        "0.0M (10%)",
        "0.0M (10%)",
        "0.006 (0%)",
    )
    assert target[:6] == (
        "target only",
        "100.0 [61.0, 100.0]",
        "",
        "0.0M (100%)",
        "0.0M (100%)",
        "6,000.00 (100%)",
    )


def answer(question: str, *, correct: bool, error: str | None = None) -> Record:
    return Record(
        arm="t",
        question=question,
        level=None,
        text="",
        steps=[],
        ledger=None if error else empty_ledger(),
        finish_reason=None,
        seconds=1.0,
        error=error,
        correct=correct,
    )


def test_a_failure_is_counted_and_told() -> None:
    """It is wrong, stands in the arm's name, and its error is kept."""
    arm = alone(setup(), "target")
    records = [answer("a/0", correct=True), answer("b/0", correct=False, error="Gone: away")]

    findings = Findings().with_arm(arm, records, Accounting())

    assert findings.cells()[0][:2] == ("target only (1 failed)", "50.0 [9.5, 90.5]")
    assert findings.errors() == {"target only": "Gone: away"}


def test_several_datasets_have_a_column_each() -> None:
    """Told apart by their questions' ids; one alone needs none."""
    arm = alone(setup(), "target")
    records = [answer("a/0", correct=True), answer("b/0", correct=False)]

    several = Findings().with_arm(arm, records, Accounting()).by_dataset()
    single = Findings().with_arm(arm, records[:1], Accounting()).by_dataset()

    assert several == [
        ("accuracy % [95 %]", "a (1)", "b (1)"),
        ("target only", "100.0 [20.7, 100.0]", "0.0 [0.0, 79.3]"),
    ]
    assert single == []


@pytest.mark.parametrize("field", ["accuracy", "questions", "draft_alone"])
def test_a_row_as_plain_data_has_all_of_it(field: str) -> None:
    """By level and by dataset, too."""
    records = [answer("a/0", correct=True)]
    (row,) = Findings().with_arm(alone(setup(), "target"), records, Accounting()).as_json()

    (part,) = row["datasets"]  # type: ignore[misc]

    assert field in row
    assert field in part
