"""The one pass calibration starts from."""

from __future__ import annotations

import pytest

from rsd_graph import InputError, StepRequest, candidate
from rsd_graph.answer.state import Candidate
from rsd_graph.lab.calibration.one_pass import Sample, Trial, collect
from tests.helpers.counted_models import draft_writes, setup


async def is_right(prompt: str, answer: str) -> bool:
    return prompt == "two" and "wrong 1" in answer


async def test_every_step_of_every_prompt_is_kept() -> None:
    """Rewards and tokens of each step, and what draft and PRM spent on them step by step."""
    sample = await collect(setup(), ["one", "two"])

    first = sample.trials[0]
    assert [trial.prompt for trial in sample.trials] == ["one", "two"]
    assert list(first.rewards) == [0.9, 0.1, 0.9]
    assert list(first.tokens) == [2, 2, 2]
    assert first.ledger["draft"]["calls"] == first.ledger["prm"]["calls"] == 3
    assert (first.right, first.target) == (None, None)
    assert sample.scored == [0.9, 0.1, 0.9] * 2


async def test_golds_judge_the_draft_and_the_target_apart() -> None:
    """Each answer of each of them once; the target writes its own in one request."""
    sample = await collect(setup(), ["one", "two"], is_right=is_right, ask_target=True)

    owns = [trial.target for trial in sample.trials]
    assert [trial.right for trial in sample.trials] == [False, True]
    assert [own.right for own in owns if own] == [False, False]
    assert [own.ledger["target"]["calls"] for own in owns if own] == [1, 1]
    assert (sample.is_labelled, sample.knows_target) == (True, True)


async def test_a_step_that_is_cut_off_ends_the_drafts_answer() -> None:
    """It has tokens and no reward: below every delta."""

    def rambles(request: StepRequest) -> Candidate:
        if len(request.prefix.steps) == 1:
            return candidate("and so on and", "length")
        return draft_writes(request)

    sample = await collect(setup(draft=rambles), ["one"])

    (trial,) = sample.trials
    assert (list(trial.rewards), list(trial.tokens)) == ([0.9, None], [2, 4])
    assert trial.below(0.0) == [False, True]
    assert sample.share_below(0.5) == 0.5
    assert sample.scored == [0.9]


async def test_without_a_single_reward_there_is_nothing_to_choose_from() -> None:
    """No prompts, or no draft that writes a whole step."""
    with pytest.raises(InputError, match="nothing to calibrate on"):
        await collect(setup(), [])
    with pytest.raises(InputError, match="nothing to calibrate on"):
        await collect(setup(draft=lambda request: candidate("cut", "length")), ["one"])


async def test_the_pass_ends_where_rsd_would() -> None:
    """The setup's limits hold in it."""
    sample = await collect(setup().with_options(max_steps=2), ["one"])

    assert sample.scored == [0.9, 0.1]


def test_steps_of_one_prompt_stay_together() -> None:
    """Seven of ten prompts to choose on, three to check on; a single one serves twice."""
    trials = [Trial(str(number), [0.5], [1]) for number in range(10)]

    chosen, other = Sample(trials).split()
    once = Sample(trials[:1]).split()

    assert [len(part.trials) for part in (chosen, other)] == [7, 3]
    assert [part.trials[0].prompt for part in once] == ["0", "0"]
