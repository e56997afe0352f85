"""Choosing delta offline, and refusing it for another PRM."""

from __future__ import annotations

from pathlib import Path

import pytest

from rsd_graph import ConfigurationError, InputError
from rsd_graph.calibrated import calibrated_delta, model_identity
from rsd_graph.evaluation.calibration import (
    Sample,
    choose,
    collect,
    reliability,
    sweep,
    write_calibration,
)
from tests.evaluation.models import stack

EVEN = Sample([[n / 1000] for n in range(1000)], [[10]] * 1000)
"""A thousand prompts of one step each, rewards spread evenly over [0, 1)."""


async def test_every_step_of_every_prompt_is_kept() -> None:
    """Draft and PRM run once; the sample has each step's reward, and tokens that add up."""
    sample = await collect(stack(), ["one", "two"])

    assert [list(rewards) for rewards in sample.rewards] == [[0.9, 0.1, 0.9]] * 2
    assert [sum(tokens) for tokens in sample.tokens] == pytest.approx([6, 6])


async def test_golds_say_what_the_draft_gets_right_alone() -> None:
    """Each answer is judged once; prompts without a scorable draft are left out of both."""

    async def is_right(prompt: str, answer: str) -> bool:
        return prompt == "two" and "wrong 1" in answer

    sample = await collect(stack(), ["one", "two"], is_right=is_right)

    assert list(sample.right) == [False, True]
    assert sweep(sample, points=2)[0].draft_alone_accuracy == 0.5


def test_the_sweep_tells_draft_alone_from_accuracy() -> None:
    """A question counts as the draft's alone only if all its rewards reach delta."""
    sample = Sample([[0.9, 0.8], [0.9, 0.2], [0.95]], [[1, 1], [1, 1], [1]], [True, False, False])

    point = next(point for point in sweep(sample) if point.delta == 0.8)

    assert point.draft_alone == pytest.approx(2 / 3)
    assert point.draft_alone_accuracy == 0.5


def test_reliability_reads_an_answers_lowest_reward_as_a_probability() -> None:
    """Bins, the gap, and a map that never falls; nothing without golds or beyond [0, 1]."""
    sample = Sample([[0.9, 0.2], [0.9], [0.8], [0.85]], [[1]] * 4, [False, True, True, False])

    found = reliability(sample)

    assert found is not None
    assert [entry["count"] for entry in found["bins"]] == [1, 2, 1]
    assert found["isotonic"] == {"edges": (0.2, 0.8, 0.9), "values": (0.0, 0.5, 1.0)}
    assert reliability(EVEN) is None
    assert reliability(Sample([[-1.5]], [[1]], [True])) is None


def test_the_sweep_answers_every_delta_offline() -> None:
    """At the median reward, half of the steps would go to the target."""
    middle = sweep(EVEN, points=3)[1]

    assert middle.delta == 0.499
    assert middle.target_share == pytest.approx(0.499)
    assert middle.target_tokens == pytest.approx(4.99)


def test_the_budget_holds_with_a_margin_and_is_checked_on_other_prompts() -> None:
    """Proposition 2.3 with a finite-sample bound: the share promised is at most gamma."""
    shuffled = Sample([[(n * 617 % 1000) / 1000] for n in range(1000)], [[10]] * 1000)

    choice, held_out = choose(shuffled, gamma=0.3)

    assert choice.share_bound <= 0.3
    assert held_out == pytest.approx(choice.delta, abs=0.02)


def test_too_few_prompts_cannot_promise_a_small_budget() -> None:
    """The error says how many rewards it would take."""
    with pytest.raises(InputError, match=r"cannot promise a target share of 0\.05"):
        choose(Sample([[0.5]] * 20, [[1]] * 20), gamma=0.05)


def test_a_calibration_serves_its_own_prm_wherever_it_runs(tmp_path: Path) -> None:
    """Bound to family, provider and model; the address may change."""
    file = tmp_path / "calibrated.json"
    choice, share = choose(EVEN, gamma=0.3)
    prm = "qwen-prm+vllm+http://gpu3:8000/v1#Qwen/PRM-7B"

    write_calibration(file, choice, share, EVEN, draft="embedded:draft", prm=prm)

    elsewhere = "qwen-prm+vllm+http://other:9000/v1#Qwen/PRM-7B"
    assert calibrated_delta(file, elsewhere) == choice.delta
    with pytest.raises(ConfigurationError, match="calibrated for another PRM"):
        calibrated_delta(file, "qwen-prm+vllm+http://gpu3:8000/v1#Qwen/PRM-72B")


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    """A JSON file that is no calibration is not read as one."""
    file = tmp_path / "other.json"
    file.write_text('{"delta": 0.7}')

    with pytest.raises(ConfigurationError, match="no calibration file"):
        calibrated_delta(file, "embedded:prm")


def test_identities_leave_the_address_out() -> None:
    """Embedded models are named as they are."""
    assert model_identity("vllm+http://a:1/v1#m") == "vllm#m"
    assert model_identity("embedded:prm") == "embedded:prm"
