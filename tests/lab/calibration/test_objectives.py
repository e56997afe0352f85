"""Which delta serves which objective, worked by hand."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import ConfigurationError, InputError
from rsd_graph.answer.flops import PerRole
from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.answer.prices import Price, Prices
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.objectives import Objective, choose
from rsd_graph.lab.calibration.one_pass import Answered, Sample, Trial
from rsd_graph.lab.statistics import lower_bound

TOKENS = Accounting()
SIZES = Accounting(PerRole(1, 10, 1))


def one_step(reward: float, *, right: bool) -> Trial:
    """A question whose draft is one step of 10 tokens; the target is right, for 10 tokens."""
    spent = {"draft": usage(completion_tokens=10), "prm": usage(prompt_tokens=10)}
    own = Answered(True, add(empty_ledger(), {"target": usage(completion_tokens=10)}))
    return Trial("q", [reward], [10], right, add(empty_ledger(), spent), own)


HUNDRED = Sample(
    [one_step(n / 100, right=n % 2 == 1) for n in range(40)]
    + [one_step(n / 100, right=True) for n in range(40, 100)]
)
"""Rewards 0.00 to 0.99; below 0.40, every other draft is wrong: the even ones."""


def test_the_budget_holds_with_a_margin() -> None:
    """Proposition 2.3 with a finite-sample bound: the share promised is at most gamma."""
    sample = Sample([Trial("q", [n / 1000], [1]) for n in range(1000)])

    found = choose(sample, Objective("target share", 0.3), TOKENS)

    assert found.bound is not None
    assert found.bound.share_bound <= 0.3
    assert found.delta == found.bound.delta == found.estimate.delta
    assert found.estimate.target_share == found.bound.share


def test_too_few_prompts_cannot_promise_a_small_budget() -> None:
    """The error says how many rewards it would take."""
    sample = Sample([Trial("q", [0.5], [1])] * 20)

    with pytest.raises(InputError, match=r"cannot promise a target share of 0\.05"):
        choose(sample, Objective("target share", 0.05), TOKENS)


def test_steps_nobody_can_score_count_against_the_budget() -> None:
    """They go to the target whatever delta is: a budget below their share cannot be kept."""
    cut = [Trial("q", [None], [1])] * 300
    sample = Sample([*cut, *(Trial("q", [n / 1000], [1]) for n in range(700))])

    kept = choose(sample, Objective("target share", 0.5), TOKENS)

    assert kept.bound is not None
    assert kept.estimate.target_share == kept.bound.share <= 0.5
    with pytest.raises(InputError, match="300 of 1000 steps go to the target at every delta"):
        choose(sample, Objective("target share", 0.2), TOKENS)


def test_the_cheapest_delta_that_reaches_the_accuracy_is_chosen() -> None:
    """Of the questions left to the draft, those of 0.30, 0.32 ... 0.38 may be wrong: five."""
    goal = lower_bound(95, 100)

    found = choose(HUNDRED, Objective("accuracy", goal), TOKENS)

    # At 0.28 a sixth wrong draft would be left.
    assert found.estimate.accuracy is not None
    assert found.estimate.accuracy.value == 0.95
    assert found.delta == 0.29
    assert found.accuracy_bound == goal
    assert found.estimate.cost == pytest.approx(2.9)


def test_a_goal_is_reached_by_the_lower_bound_not_by_luck() -> None:
    """Half of all deltas with a point estimate of the goal are worse than it."""
    found = choose(HUNDRED, Objective("accuracy", 0.95), TOKENS)

    assert found.estimate.accuracy is not None
    assert found.estimate.accuracy.value > 0.95
    assert found.accuracy_bound is not None
    assert found.accuracy_bound >= 0.95


def test_an_accuracy_out_of_reach_names_what_can_be_reached() -> None:
    """All 100 right promise 97.3 % with confidence 95 %: 100 / (100 + 1.645^2)."""
    with pytest.raises(InputError) as caught:
        choose(HUNDRED, Objective("accuracy", 0.99), TOKENS)

    said = str(caught.value)
    assert "no delta promises an accuracy of 99.0% with confidence 95%" in said
    assert "at most 97.3%, from 100.0% of 100 prompts right" in said
    assert "100 prompts, all right, would promise 97.3%" in said


def test_the_best_value_is_the_most_right_answers_for_the_cost() -> None:
    """Where a wrong draft is seen for what it is, rewriting it pays; rewriting right ones not."""
    sample = Sample([*[one_step(0.1, right=False)] * 5, *[one_step(0.9, right=True)] * 5])

    found = choose(sample, Objective("best value"), SIZES)

    # Per question 2 * 10 * (1 + 1) FLOPs for draft and PRM, and 2 * 10 * 10 for the target:
    # 0.5 right for 40 (0.0125), or all right for 40 + 200 / 2 (0.0071).
    assert found.delta == 0.1
    assert (found.estimate.target_share, found.estimate.cost) == (0.0, 40)


def test_the_best_value_weighs_money_if_there_are_prices() -> None:
    """A target as cheap as the draft is worth asking."""
    prices = Prices(draft=Price(0, 10), target=Price(0, 8), prm=Price(0, 0))
    sample = Sample([*[one_step(0.1, right=False)] * 5, *[one_step(0.9, right=True)] * 5])

    found = choose(sample, Objective("best value"), Accounting(PerRole(1, 10, 1), prices))

    # 0.5 right for 100 millionths, or all right for 100 + 80 / 2.
    assert found.delta == 0.9
    assert found.estimate.cost == pytest.approx(140e-6)


def test_the_best_value_can_have_a_floor() -> None:
    """Among the deltas that reach an accuracy, the one with most right answers for the cost."""
    floor = lower_bound(90, 100)

    found = choose(HUNDRED, Objective("best value", floor), SIZES)
    free = choose(HUNDRED, Objective("best value"), SIZES)

    assert found.estimate.accuracy is not None
    assert free.estimate.accuracy is not None
    assert (free.delta, free.estimate.accuracy.value) == (0.0, 0.8)
    assert found.estimate.accuracy.value == 0.9


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("accuracy", 0), "a goal of 0 for accuracy"),
        (("accuracy", 1.5), "a goal of 1.5 for accuracy"),
        (("target share", None), "a goal of None"),
        (("best value", 2), "a goal of 2 for best value"),
        (("accuracy", 0.5, 1), "a confidence of 1"),
    ],
)
def test_goals_that_mean_nothing_are_refused(arguments: Any, complaint: str) -> None:
    """Before anything is spent."""
    with pytest.raises(InputError, match=complaint):
        Objective(*arguments)


def test_free_models_have_no_value() -> None:
    """Nothing divided by nothing is no objective."""
    free = Prices(draft=Price(0, 0), target=Price(0, 0), prm=Price(0, 0))

    with pytest.raises(ConfigurationError, match="an answer costs nothing"):
        choose(HUNDRED, Objective("best value"), Accounting(prices=free))
