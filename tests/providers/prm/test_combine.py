"""Several PRMs as one, and one PRM's rows as one reward."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import (
    Candidate,
    ConfigurationError,
    Prefix,
    RewardError,
    RewardModel,
    ScriptedRewardModel,
    candidate,
)
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Message
from rsd_graph.errors import ServerError
from rsd_graph.providers.base import Scores
from rsd_graph.providers.prm import Aggregated, Ensemble

PREFIX = Prefix([Message(role="user", content="Q")], [candidate("a"), candidate("b")])
RUN = [candidate("c"), candidate("d")]


class RowsPRM:
    """Reports the rows it was made with."""

    def __init__(self, *rows: float, reward_range: tuple[float, float] = (0.0, 1.0)) -> None:
        self.rows = list(rows)
        self.reward_range = reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        return Scores(self.rows[-len(candidates) :], usage(prompt_tokens=9), self.rows)


@pytest.mark.parametrize(
    ("how", "rows", "rewards"),
    [
        ("last", (0.5, 0.75, 0.25, 0.75), [0.25, 0.75]),
        ("min", (0.5, 0.75, 0.25, 0.75), [0.25, 0.25]),
        ("product", (0.5, 0.5, 0.25, 0.75), [0.0625, 0.046875]),
        ("mean", (0.5, 0.75, 0.25, 0.75), [0.5, 0.5625]),
    ],
)
async def test_a_reward_from_all_steps_up_to_it(how: Any, rows: Any, rewards: list[float]) -> None:
    """Each candidate is aggregated over the settled steps and those of the run before it."""
    prm = Aggregated(RowsPRM(*rows), how)

    scores = await prm.score(PREFIX, RUN)

    assert scores.rewards == rewards
    assert scores.usage["prompt_tokens"] == 9
    assert isinstance(prm, RewardModel)


@pytest.mark.parametrize("rows", [(), (0.5, 0.5), (0.5,) * 5])
async def test_a_prm_that_reports_not_every_step_cannot_be_aggregated(rows: Any) -> None:
    """A minimum over some of the steps is no minimum."""

    class SilentPRM(RowsPRM):
        async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
            return Scores([0.5, 0.5], usage(), rows)

    prm = SilentPRM()

    with pytest.raises(RewardError, match=f"{len(rows)} step rewards for 4 steps"):
        await Aggregated(prm, "min").score(PREFIX, RUN)


@pytest.mark.parametrize(
    ("how", "reward_range"),
    [("product", (-1.0, 1.0)), ("product", (0.0, 9.0)), ("median", (0.0, 1.0))],
)
def test_what_cannot_be_aggregated(how: Any, reward_range: tuple[float, float]) -> None:
    """Products need probabilities; unknown names list the known ones."""
    with pytest.raises(ConfigurationError, match="last, min, product, mean"):
        Aggregated(RowsPRM(reward_range=reward_range), how)


def test_the_range_is_the_prms_own() -> None:
    """delta stays on the PRM's scale."""
    assert Aggregated(RowsPRM(reward_range=(-1.0, 1.0)), "min").reward_range == (-1.0, 1.0)
    assert Aggregated(RowsPRM(reward_range=(0.5, 1.0)), "product").reward_range == (0.0, 1.0)


@pytest.mark.parametrize(("how", "rewards"), [("mean", [0.5, 0.75]), ("min", [0.25, 0.5])])
async def test_an_ensemble_combines_its_members(how: Any, rewards: list[float]) -> None:
    """All are asked about the same run, and all are paid for."""
    prm = Ensemble([ScriptedRewardModel([0.25, 1.0]), ScriptedRewardModel([0.75, 0.5])], how)

    scores = await prm.score(PREFIX, RUN)

    assert scores.rewards == rewards
    assert scores.usage["calls"] == 2
    assert isinstance(prm, RewardModel)


async def test_members_are_asked_at_once() -> None:
    """Neither waits for the other: each answers only once both were asked."""
    asked = asyncio.Barrier(2)

    class Waiting(RowsPRM):
        async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
            await asked.wait()
            return await super().score(prefix, candidates)

    scores = await Ensemble([Waiting(0.5, 0.5), Waiting(0.5, 0.5)]).score(PREFIX, RUN)

    assert scores.rewards == [0.5, 0.5]


@pytest.mark.parametrize(
    ("member", "error"),
    [
        (ScriptedRewardModel([math.nan, 0.5]), RewardError),
        (RowsPRM(0.5), RewardError),
        (ScriptedRewardModel([ServerError("down")]), ServerError),
    ],
)
async def test_one_bad_member_is_an_error(member: Any, error: type[Exception]) -> None:
    """Nothing is accepted on the rewards of those that did answer."""
    with pytest.raises(error):
        await Ensemble([ScriptedRewardModel([0.9, 0.9]), member]).score(PREFIX, RUN)


@pytest.mark.parametrize("ranges", [[], [(0.0, 1.0), (-1.0, 1.0)]])
def test_members_must_speak_one_language(ranges: list[tuple[float, float]]) -> None:
    """A mean of rewards on different scales means nothing."""
    members = [ScriptedRewardModel([], reward_range=each) for each in ranges]

    with pytest.raises(ConfigurationError, match="the same range"):
        Ensemble(members)
