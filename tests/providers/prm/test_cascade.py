"""A cheap verdict first, the dear one only where that is not sure."""

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
    ScriptedStepModel,
    candidate,
    create_rsd_graph,
    initial_state,
)
from rsd_graph.answer.flops import decoded_tokens
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Message
from rsd_graph.errors import ServerError
from rsd_graph.providers.base import Scores
from rsd_graph.providers.prm import Cascade, DraftConfidence
from tests.helpers.hashed import HashedModel, HashedPRM, transcript

PREFIX = Prefix([Message(role="user", content="Q")], [candidate("settled")])


class TextPRM:
    """Rewards that stand in the steps' texts, "first/then", and what it was asked."""

    reward_range = (0.0, 1.0)

    def __init__(self, place: int, *, free: bool = False) -> None:
        self.place = place
        self.free = free
        self.asked: list[tuple[int, list[str]]] = []

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        run = [each["text"] for each in candidates]
        self.asked.append((len(prefix.steps), run))
        rewards = [float(text.split("/")[self.place]) for text in run]
        if self.free:
            return Scores(rewards, usage(calls=0), judged=0)
        return Scores(rewards, usage(prompt_tokens=9, completion_tokens=len(run)))


def run_of(*texts: str) -> list[Candidate]:
    return [candidate(text) for text in texts]


async def test_the_dear_one_is_asked_about_the_rest_only() -> None:
    """What is sure stands; unsure steps that stand together are one request, in their places."""
    first, then = TextPRM(0, free=True), TextPRM(1)
    run = run_of("0.95/0", "0.5/0.25", "0.2/0.75", "0.1/1", "0.9/0", "0.6/0.5")

    scores = await Cascade(first, then, unsure=(0.2, 0.9)).score(PREFIX, run)

    assert scores.rewards == [0.95, 0.25, 0.75, 0.1, 0.9, 0.5]
    assert then.asked == [(2, ["0.5/0.25", "0.2/0.75"]), (6, ["0.6/0.5"])]
    assert (scores.usage["calls"], scores.usage["prompt_tokens"], scores.verdicts) == (2, 18, 3)


def test_its_interval_decides_who_is_asked() -> None:
    """Between -inf and inf it is the second member; where low is high, it is the first."""
    hypothesis = pytest.importorskip("hypothesis")
    rewards = hypothesis.strategies.floats(0, 1)
    runs = hypothesis.strategies.lists(hypothesis.strategies.tuples(rewards, rewards), min_size=1)

    @hypothesis.settings(max_examples=50, deadline=None)
    @hypothesis.given(runs, rewards)
    def check(pairs: list[tuple[float, float]], middle: float) -> None:
        run = run_of(*(f"{first!r}/{then!r}" for first, then in pairs))

        def scores(low: float, high: float) -> Scores:
            members = TextPRM(0, free=True), TextPRM(1)
            return asyncio.run(Cascade(*members, unsure=(low, high)).score(PREFIX, run))

        always, never = scores(-math.inf, math.inf), scores(middle, middle)

        assert always.rewards == [then for _, then in pairs]
        assert (always.usage["calls"], always.verdicts) == (1, len(pairs))
        assert never.rewards == [first for first, _ in pairs]
        assert (never.usage["calls"], never.verdicts) == (0, 0)

    check()


async def test_only_calls_that_were_made_are_booked() -> None:
    """Decode-only FLOPs count no verdict of a PRM that was not asked."""
    first, then = TextPRM(0, free=True), TextPRM(1)
    draft = ScriptedStepModel(["0.9/0", "0.5/1", candidate("0.95/0", "eos")])
    cascade = Cascade(first, then, unsure=(0.2, 0.8))
    graph = create_rsd_graph(draft=draft, target=ScriptedStepModel([]), prm=cascade).compile()

    answer: Any = await graph.ainvoke(initial_state("Q", seed=0))

    assert [step["reward"] for step in answer["steps"]] == [0.9, 1.0, 0.95]
    assert (answer["ledger"]["prm"]["calls"], answer["ledger"]["scored_steps"]) == (1, 1)
    assert decoded_tokens(answer["ledger"]).prm == 1


async def test_look_ahead_settles_the_same_answer() -> None:
    """A reward depends on the step and what stands before it, not on the run it came in."""

    async def solve(question: str, lookahead: int) -> Any:
        cascade = Cascade(DraftConfidence(), HashedPRM(0.3), unsure=(0.75, 0.95))
        models = {"draft": HashedModel("d"), "target": HashedModel("t"), "prm": cascade}
        graph = create_rsd_graph(**models, lookahead=lookahead).compile()
        return await graph.ainvoke(initial_state(question, seed=1))

    for number in range(8):
        alone, ahead = [await solve(f"question {number}", lookahead) for lookahead in (0, 3)]

        assert transcript(ahead) == transcript(alone)
        assert ahead["ledger"]["prm"]["calls"] < ahead["ledger"]["drafted_steps"]


@pytest.mark.parametrize(
    ("first", "then", "error", "spent"),
    [
        (ScriptedRewardModel([ServerError("down")]), TextPRM(1), ServerError, None),
        (ScriptedRewardModel([math.nan]), TextPRM(1), RewardError, 0),
        (TextPRM(0), ScriptedRewardModel([ServerError("down")]), ServerError, 9),
        (TextPRM(0), ScriptedRewardModel([7.0]), RewardError, 9),
    ],
)
async def test_a_member_that_fails_ends_it(
    first: RewardModel, then: RewardModel, error: type[Exception], spent: int | None
) -> None:
    """No verdict is made up for it, and what the other cost is on its error."""
    with pytest.raises(error) as caught:
        await Cascade(first, then, unsure=(0.2, 0.9)).score(PREFIX, run_of("0.5/0.5"))

    cost = getattr(caught.value, "spent", None)
    assert (cost["prompt_tokens"] if cost else None) == spent


async def test_a_sure_step_needs_no_second_opinion_even_if_there_is_none() -> None:
    """A PRM that is down matters only to the steps it would have been asked about."""
    down = ScriptedRewardModel([])

    scores = await Cascade(TextPRM(0), down, unsure=(0.2, 0.9)).score(PREFIX, run_of("0.95/0"))

    assert scores.rewards == [0.95]


@pytest.mark.parametrize("unsure", [(0.9, 0.2), (math.nan, 0.5), (0.5, math.nan), None])
def test_an_interval_that_is_none(unsure: Any) -> None:
    """It is refused when the cascade is made."""
    with pytest.raises(ConfigurationError, match="low <= high"):
        Cascade(TextPRM(0), TextPRM(1), unsure)


def test_members_must_speak_one_language() -> None:
    """One delta cannot decide on two scales."""
    wide = ScriptedRewardModel([], reward_range=(-1.0, 1.0))

    with pytest.raises(ConfigurationError, match="the same reward range"):
        Cascade(TextPRM(0), wide, (0.2, 0.9))


def test_a_first_member_may_bring_its_own_interval() -> None:
    """As a learned one does; what is said goes before it."""

    class Modest(TextPRM):
        unsure = (0.1, 0.3)

    run = run_of("0.2/1", "0.5/0")
    own, said = (Cascade(Modest(0), TextPRM(1), unsure) for unsure in (None, (0.4, 0.6)))

    assert asyncio.run(own.score(PREFIX, run)).rewards == [1.0, 0.5]
    assert asyncio.run(said.score(PREFIX, run)).rewards == [0.2, 0.0]
