"""Estimates against RSD itself."""

from __future__ import annotations

import pytest

from rsd_graph import StepRequest, candidate
from rsd_graph.answer.flops import PerRole
from rsd_graph.answer.prices import Price, Prices
from rsd_graph.answer.state import Candidate
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.check import check
from rsd_graph.lab.calibration.one_pass import collect
from rsd_graph.lab.statistics import Estimate
from tests.helpers.counted_models import setup, target_writes

PROMPTS = ["one", "two", "three"]


def sure(value: float) -> Estimate:
    """All questions alike: an interval of no width."""
    return Estimate(pytest.approx(value), pytest.approx(value), pytest.approx(value))  # type: ignore[arg-type]


async def is_right(prompt: str, answer: str) -> bool:
    return "wrong" not in answer and "spoilt" not in answer


async def test_rsd_does_what_was_estimated_where_the_target_rewrites_as_it_writes() -> None:
    """Share, tokens and accuracy agree; the prompt it really reads is the server's to count."""
    prices = Prices(draft=Price(1, 1), target=Price(0, 30), prm=Price(0, 0))
    sample = await collect(setup(), PROMPTS, is_right=is_right, ask_target=True)

    found = await check(setup(), sample, 0.5, Accounting(prices=prices), is_right=is_right)

    assert found.prompts == 3
    assert found.target_share.estimated == found.target_share.measured == sure(1 / 3)
    assert found.target_tokens.estimated == found.target_tokens.measured == sure(2)
    assert found.accuracy is not None
    assert found.accuracy.estimated.value == found.accuracy.measured.value == 1.0
    assert found.cost is not None
    # 3 draft requests of 9 + 2 tokens, and 2 tokens of the target at 30
    assert found.cost.estimated == found.cost.measured == sure(93 / 1e6)


async def test_a_target_that_cannot_help_is_found_out() -> None:
    """Alone it is right, but after the draft's words it goes wrong: the assumption fails, and the
    difference says so.
    """

    def spoils(request: StepRequest) -> Candidate:
        alone = request.prefix.separator != "\n\n"
        return target_writes(request) if alone else candidate("spoilt")

    sample = await collect(setup(target=spoils), PROMPTS, is_right=is_right, ask_target=True)

    found = await check(
        setup(target=spoils), sample, 0.5, Accounting(PerRole(1, 10, 1)), is_right=is_right
    )

    assert found.accuracy is not None
    assert (found.accuracy.estimated.value, found.accuracy.measured.value) == (1.0, 0.0)
    assert found.accuracy_difference is not None
    assert found.accuracy_difference.difference.value == -1.0
    assert found.accuracy_difference.only_second == 3


async def test_without_the_targets_own_answers_only_steps_and_tokens_compare() -> None:
    """What the pass does not estimate is left out, not made up."""
    sample = await collect(setup(), PROMPTS)

    found = await check(setup(), sample, 0.5, Accounting())

    assert found.target_share.measured == sure(1 / 3)
    assert (found.cost, found.seconds, found.accuracy, found.accuracy_difference) == (None,) * 4
