"""Thresholds that follow what they meet."""

from __future__ import annotations

import pytest

from rsd_graph import ConfigurationError, Prefix, ScriptedRewardModel, candidate
from rsd_graph.lab.arms.adaptive import DifficultyAware, RewardRank
from rsd_graph.lab.arms.alone import settled

NOTHING = Prefix([{"role": "user", "content": "q"}])


async def rewards_of(prm: RewardRank, count: int) -> list[float]:
    return [(await prm.score(NOTHING, [candidate("s")])).rewards[0] for _ in range(count)]


async def test_a_rank_is_the_share_of_lower_rewards() -> None:
    """Whatever the PRM's scale, delta = gamma sends a share gamma to the target."""
    unsorted = [(n * 7 % 100) / 10_000 for n in range(100)]
    prm = RewardRank(ScriptedRewardModel([*unsorted, *unsorted]), delta=0.5, warm_up=100)
    await rewards_of(prm, 100)

    ranks = await rewards_of(prm, 100)

    assert sum(rank < 0.3 for rank in ranks) == pytest.approx(30, abs=3)


async def test_until_it_knows_enough_a_fixed_delta_decides() -> None:
    """The first rewards pass or fail outright."""
    prm = RewardRank(ScriptedRewardModel([0.9, 0.2, 0.8]), delta=0.7, warm_up=10)

    assert await rewards_of(prm, 3) == [1.0, 0.0, 1.0]


async def test_old_rewards_are_forgotten() -> None:
    """A PRM that drifts is followed."""
    script = [0.9] * 10 + [0.1] * 10 + [0.2]
    prm = RewardRank(ScriptedRewardModel(script), delta=0.7, memory=10, warm_up=10)

    assert (await rewards_of(prm, 21))[-1] == 1.0


async def test_doubt_lowers_later_rewards_of_that_answer_only() -> None:
    """A draft that did worse than usual is trusted less; a new answer starts without doubt."""
    prm = DifficultyAware(ScriptedRewardModel([0.8, 0.8]), usual=0.9, strength=0.5)
    doubted = {**settled(candidate("s"), "target"), "reward": 0.1}
    later = Prefix(NOTHING.conversation, [doubted])  # type: ignore[list-item]

    fresh = await prm.score(NOTHING, [candidate("s")])
    careful = await prm.score(later, [candidate("s")])

    assert fresh.rewards == [0.8]
    assert careful.rewards == [pytest.approx(0.4)]


async def test_drafting_ahead_changes_no_adapted_reward() -> None:
    """Two candidates scored together get what they would get one after the other."""
    steps = [candidate("a"), candidate("b")]
    ahead = DifficultyAware(ScriptedRewardModel([0.5, 0.8]), usual=0.9)
    single = DifficultyAware(ScriptedRewardModel([0.5, 0.8]), usual=0.9)

    together = (await ahead.score(NOTHING, steps)).rewards
    first = (await single.score(NOTHING, steps[:1])).rewards[0]
    accepted = {**settled(steps[0], "draft"), "reward": first}
    after = Prefix(NOTHING.conversation, [accepted])  # type: ignore[list-item]
    second = (await single.score(after, steps[1:])).rewards[0]

    assert list(together) == [first, second]


def test_impossible_settings_are_refused() -> None:
    """A rank among nothing, or a doubt that never ends."""
    prm = ScriptedRewardModel([])

    with pytest.raises(ConfigurationError, match="warm_up"):
        RewardRank(prm, 0.7, memory=10, warm_up=11)
    with pytest.raises(ConfigurationError, match="strength"):
        DifficultyAware(prm, 0.9, 1.0)
