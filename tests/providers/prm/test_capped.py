"""A budget for the target's steps."""

from __future__ import annotations

import pytest

from rsd_graph import (
    ConfigurationError,
    Limits,
    Prefix,
    ScriptedRewardModel,
    ScriptedStepModel,
    candidate,
    create_rsd_graph,
    initial_state,
)
from rsd_graph.lab.arms.alone import settled
from rsd_graph.providers.prm import Capped
from tests.helpers.scripted import sources

QUESTION = Prefix([{"role": "user", "content": "q"}])


def after(*writers: str) -> Prefix:
    """An answer whose steps these have written."""
    steps = [settled(candidate("s"), writer) for writer in writers]  # type: ignore[arg-type]
    return Prefix(QUESTION.conversation, steps)


async def test_a_spent_budget_lets_drafts_stand_unasked() -> None:
    """A third of the steps: after one of two, the next draft costs no verdict."""
    prm = Capped(ScriptedRewardModel([0.1]), 1 / 3)

    spent = await prm.score(after("target", "draft"), [candidate("s")])
    earned = await prm.score(after("target", "draft", "draft"), [candidate("s")])

    assert (spent.rewards, spent.verdicts, spent.usage["calls"]) == ([1.0], 0, 0)
    assert (earned.rewards, earned.verdicts) == ([0.1], 1)


async def test_a_run_is_asked_about_from_where_there_is_a_budget() -> None:
    """Of three candidates after one of the target's two stand; a half of the steps is allowed."""
    prm = Capped(ScriptedRewardModel([0.2, 0.3]), 0.5)

    scores = await prm.score(after("target"), [candidate("a"), candidate("b"), candidate("c")])

    assert scores.rewards == [1.0, 0.2, 0.3]
    assert scores.verdicts == 2


async def test_the_target_writes_no_more_than_its_share() -> None:
    """Of six bad drafts two are rewritten at a share of a fifth: the first and the sixth."""
    prm = Capped(ScriptedRewardModel([0.0, 0.0]), 0.2)
    graph = create_rsd_graph(
        draft=ScriptedStepModel([f"d{n}" for n in range(6)]),
        target=ScriptedStepModel(["t0", "t5"]),
        prm=prm,
        limits=Limits(max_steps=6),
    )

    answer = await graph.compile().ainvoke(initial_state("q"))

    assert sources(answer) == ["target", "draft", "draft", "draft", "draft", "target"]
    assert answer["ledger"]["scored_steps"] == 2


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_is_a_share(share: float) -> None:
    """Between nothing and all."""
    with pytest.raises(ConfigurationError, match="share"):
        Capped(ScriptedRewardModel([]), share)


def test_a_highest_reward_is_needed() -> None:
    """Raw ratings have none."""
    prm = ScriptedRewardModel([], reward_range=(0.0, float("inf")))

    with pytest.raises(ConfigurationError, match="highest reward"):
        Capped(prm, 0.2)
