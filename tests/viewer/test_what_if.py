"""What another delta would do to a journal, in a real Chromium: what is known, and what is not."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.lab.calibration.one_pass import Answered, Trial
from rsd_graph.lab.calibration.sweep import accuracy, expected
from tests.viewer.answers import answer, journal, step

DELTA = 0.5
"""With which the journal was made."""


def two_arms() -> list[dict[str, Any]]:
    """An evaluation of RSD and of the target alone."""
    own = [{**each, "steps": [step("whole", None)]} for each in journal(150, seed=5)]
    rsd = journal(150, seed=4, delta=DELTA)
    return [{**each, "arm": "RSD 0.5", "delta": DELTA} for each in rsd] + [
        {**each, "arm": "target only", "delta": None} for each in own
    ]


def trials(lines: list[dict[str, Any]]) -> list[Trial]:
    """The same as the calibrator has them: the draft's steps, up to the first that was rejected."""
    own = {line["question"]: line["correct"] for line in lines if line["arm"] == "target only"}
    return [
        Trial(
            line["prompt"],
            [each["reward"] for each in first],
            [each["tokens"] for each in first],
            line["correct"],
            target=Answered(own[line["question"]], empty_ledger()),
        )
        for line in lines
        if line["arm"] != "target only"
        for first in [_until_rejected(line["steps"])]
    ]


def _until_rejected(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    accepted = list(itertools.takewhile(lambda each: each["accepted"], steps))
    return steps[: len(accepted) + 1]


@pytest.mark.parametrize("delta", [DELTA, 0.62, 0.8, 0.97, 1.0])
def test_the_estimate_is_the_calibrators(show: Any, delta: float) -> None:
    """Value and interval are what Python's calibration says of the same answers."""
    lines = two_arms()
    page = show(lines)
    estimate = accuracy([expected(trial, delta) for trial in trials(lines)])
    assert estimate is not None

    found = page.tab.evaluate(f"estimate(ONE.answers, OTHER.answers, {delta})")

    assert (found["questions"], found["unknown"]) == (150, 0)
    assert [found[name] for name in ("value", "low", "high")] == pytest.approx(
        [estimate.value, estimate.low, estimate.high], abs=1e-12
    )


def test_below_the_journals_delta_nobody_knows(show: Any) -> None:
    """A draft that was rejected, and would pass: what would have followed it was never written."""
    lines = two_arms()
    page = show(lines)
    passes = [t.rewards[-1] for t in trials(lines) if t.below(DELTA)[-1] and not any(t.below(0.2))]

    page.tab.get_by_role("button", name="What if delta").click()
    page.tab.locator("#delta").fill("0.2")

    assert len(passes) > 10
    assert page.texts("#estimate")[0].startswith(
        f"No estimate of the accuracy at this delta: of {len(passes)} of 150 questions nobody knows"
    )
    assert page.texts("#estimate b") == []


def test_the_estimate_stands_beside_what_was_measured(show: Any) -> None:
    """With its interval, so that everybody sees how far the two are from each other."""
    right, wrong = answer(0, [step("a", 0.9)]), answer(1, [step("b", 0.6)], right=False)
    own = [{**answer(n), "arm": "target only"} for n in (0, 1)]
    page = show([{**right, "delta": 0.5}, {**wrong, "delta": 0.5}, *own])

    page.tab.get_by_role("button", name="What if delta").click()
    page.tab.locator("#delta").fill("0.7")

    assert page.texts("#estimate b") == ["100.0 % (34.2 % to 100.0 %)"]
    assert (
        "Measured, as these answers were made: 50.0 % (9.5 % to 90.5 %)."
        in (page.texts("#estimate")[0])
    )


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], "it takes the target's own answers"),
        ([{**answer(0, right=None), "arm": "target only"}], "no question was judged"),
    ],
    ids=["no target", "no verdict"],
)
def test_without_the_target_or_a_verdict_there_is_none(show: Any, others: Any, said: str) -> None:
    """And the page says what it would take."""
    page = show([answer(0), answer(1), *others])

    page.tab.get_by_role("button", name="What if delta").click()

    assert said in page.texts("#estimate")[0]


def test_a_delta_of_its_own_goes_before_the_files(show: Any) -> None:
    """An arm with another delta than the run, and one that no threshold decided."""
    header = {"config_hash": "h", "config": {"delta": 0.7}}
    arms = {"RSD 0.9": {"delta": 0.9}, "RSD": {}, "draft only": {"delta": None}}
    lines = [{**answer(0), "arm": arm, **more} for arm, more in arms.items()]

    page = show([header, *lines])

    assert page.tab.evaluate("FILES.map(file => deltaOf(file.answers[0]))") == [0.9, 0.7, None]
