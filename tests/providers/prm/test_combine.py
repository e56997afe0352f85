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


class LastTokenPRM(RowsPRM):
    """Reports what it is asked about only: of a step, its text as a number."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[list[str], list[str]]] = []

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        settled, run = ([step["text"] for step in steps] for steps in (prefix.steps, candidates))
        self.asked.append((settled, run))
        return Scores([float(text) for text in run], usage(prompt_tokens=9))


async def test_settled_steps_are_remembered_and_rewritten_ones_asked_about() -> None:
    """A PRM that reports its candidates only: what the target wrote is scored with the next run."""
    prm = LastTokenPRM()
    least = Aggregated(prm, "min")
    drafted = [candidate("0.5"), candidate("0.25")]
    settled = [drafted[0], candidate("0.75")]

    first = await least.score(Prefix(PREFIX.conversation), drafted)
    second = await least.score(Prefix(PREFIX.conversation, settled), [candidate("0.625")])

    assert (first.rewards, second.rewards) == ([0.5, 0.25], [0.5])
    assert second.step_rewards == [0.5, 0.75, 0.625]
    assert prm.asked == [([], ["0.5", "0.25"]), (["0.5"], ["0.75", "0.625"])]


async def test_a_resumed_answer_is_scored_from_its_beginning() -> None:
    """Another process remembers nothing: all steps are one run."""
    prm = LastTokenPRM()
    settled = Prefix(PREFIX.conversation, [candidate("0.5"), candidate("0.25")])

    scores = await Aggregated(prm, "min").score(settled, [candidate("0.75")])

    assert scores.rewards == [0.25]
    assert prm.asked == [([], ["0.5", "0.25", "0.75"])]


async def test_the_same_steps_of_another_question_are_others() -> None:
    """A remembered reward stands for the whole text before it."""
    prm = LastTokenPRM()
    least = Aggregated(prm, "min")
    other = [Message(role="user", content="another")]

    await least.score(Prefix(PREFIX.conversation), [candidate("0.5")])
    await least.score(Prefix(other, [candidate("0.5")]), [candidate("0.75")])

    assert prm.asked[-1] == ([], ["0.5", "0.75"])


async def test_a_prm_that_miscounts_cannot_be_aggregated() -> None:
    """A minimum over some of the steps is no minimum."""
    with pytest.raises(RewardError, match="2 rewards for 4 steps"):
        await Aggregated(RowsPRM(0.5, 0.5), "min").score(PREFIX, RUN)


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
