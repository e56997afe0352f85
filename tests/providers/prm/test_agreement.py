"""More drafts of a step, which vote."""

from __future__ import annotations

import pytest

from rsd_graph import ConfigurationError, Prefix, ScriptedStepModel, candidate
from rsd_graph.providers.base import RewardModel
from rsd_graph.providers.prm import Agreement

PREFIX = Prefix([{"role": "user", "content": "q"}])


async def test_the_reward_is_the_share_of_drafts_that_arrive_there_too() -> None:
    """Another wording of 7 agrees, 8 does not; every draft is paid for."""
    draft = ScriptedStepModel(["So 3+4=7.", "It is 7", "3+4=8", "7"])
    prm = Agreement(draft, 4)

    scores = await prm.score(PREFIX, [candidate("First, 3+4=7.")])

    assert scores.rewards == [0.75]
    assert scores.usage["calls"] == 4
    assert isinstance(prm, RewardModel)


async def test_steps_without_numbers_agree_in_their_words() -> None:
    """Space apart."""
    prm = Agreement(ScriptedStepModel(["Then we  add.", "Then we divide."]), 2)

    assert (await prm.score(PREFIX, [candidate("Then we add.")])).rewards == [0.5]


async def test_votes_on_a_step_stand_after_the_steps_before_it() -> None:
    """The second candidate of a run is written again after the first, with seeds of its own."""
    draft = ScriptedStepModel(["1", "1", "2", "2"])
    scores = await Agreement(draft, 2).score(PREFIX, [candidate("a 1"), candidate("b 2")])

    assert scores.rewards == [1.0, 1.0]
    assert [len(request.prefix.steps) for request in draft.history] == [0, 0, 1, 1]
    assert len({request.seed for request in draft.history}) == 4
    assert {request.sampling.temperature for request in draft.history} == {0.7}


def test_somebody_has_to_vote() -> None:
    """Zero drafts agree with nothing."""
    with pytest.raises(ConfigurationError, match="0 drafts"):
        Agreement(ScriptedStepModel([]), 0)
