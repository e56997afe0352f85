"""How likely a rejection is, learned from verdicts."""

from __future__ import annotations

import math
from random import Random

import pytest

from rsd_graph import candidate
from rsd_graph.early.odds import RejectionOdds


@pytest.mark.parametrize("share", [0.05, 0.15, 0.4])
def test_without_logprobs_it_is_the_running_share_of_rejections(share: float) -> None:
    """Every such share is found after some hundred verdicts, within what chance allows."""
    odds, random = RejectionOdds(), Random(0)
    estimates = []
    for _ in range(2000):
        uncertainty = odds.uncertainty(candidate("step"))
        estimates.append(odds.probability(uncertainty))
        odds.decided(uncertainty, rejected=random.random() < share)

    assert uncertainty == 0
    assert sum(estimates[500:]) / 1500 == pytest.approx(share, abs=0.02)


def test_a_draft_that_was_unsure_is_likelier_to_be_rejected() -> None:
    """Where rejections follow low log-probabilities, the estimate tells such steps apart."""
    odds, random = RejectionOdds(), Random(0)
    for _ in range(500):
        unsure = random.random() < 0.3
        step = candidate("step", tokens=10, logprob=-8.0 if unsure else -1.0)
        odds.decided(odds.uncertainty(step), rejected=unsure and random.random() < 0.5)

    def likely(logprob: float) -> float:
        return odds.probability(odds.uncertainty(candidate("step", tokens=10, logprob=logprob)))

    assert likely(-8.0) > 0.3
    assert likely(-1.0) < 0.1


def test_before_anything_is_known_a_fifth_is_expected() -> None:
    """The start that `lookahead="auto"` has too."""
    odds = RejectionOdds()
    uncertainty = odds.uncertainty(candidate("step", logprob=-1.0))

    assert (uncertainty, odds.probability(uncertainty)) == (0.0, pytest.approx(0.2))


@pytest.mark.parametrize(
    ("logprob", "tokens", "uncertainty"),
    [(-8.0, 4, 1.0), (-16.0, 4, 2.5), (-44.0, 4, 3.0), (0.0, 4, -1.0), (None, 4, 0), (-8.0, 0, 0)],
)
def test_uncertainty_is_counted_in_usual_deviations(
    logprob: float | None, tokens: int, uncertainty: float
) -> None:
    """From the usual log-probability of a token, which was -1 until now; three at most."""
    odds = RejectionOdds(usual=-1.0, deviation=0.9)

    found = odds.uncertainty(candidate("step", tokens=tokens, logprob=logprob))

    assert found == pytest.approx(uncertainty)


def test_a_draft_much_surer_than_usual_counts_as_three_deviations() -> None:
    """No single step outweighs all others."""
    odds = RejectionOdds(usual=-10.0, deviation=1.0)

    assert odds.uncertainty(candidate("step", tokens=1, logprob=-0.5)) == -3.0
    assert (odds.usual, odds.deviation) == (pytest.approx(-9.05), pytest.approx(1.755))


def test_a_verdict_moves_the_estimate_by_a_tenth_of_its_error() -> None:
    """And its weight by as much as the draft was unsure."""
    odds = RejectionOdds(bias=0.0, weight=0.5)
    unsure = 2 * math.log(3)

    odds.decided(unsure, rejected=True)
    assert (odds.bias, odds.weight) == pytest.approx((0.025, 0.5 + 0.025 * unsure))

    odds = RejectionOdds(bias=math.log(3))
    odds.decided(2.0, rejected=False)
    assert (odds.bias, odds.weight) == pytest.approx((math.log(3) - 0.075, -0.15))
