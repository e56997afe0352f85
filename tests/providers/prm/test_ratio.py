"""The target's opinion of drafted words, for likelihood-ratio and hybrid acceptance."""

from __future__ import annotations

import math
from typing import Any

import pytest

from rsd_graph import (
    CapabilityError,
    Endpoint,
    Prefix,
    RewardError,
    ScriptedRewardModel,
    ScriptedStepModel,
    candidate,
)
from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Message
from rsd_graph.providers.prm import HybridRatio, LikelihoodRatio
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.tgi import TGIWire

PREFIX = Prefix([Message(role="user", content="Q")], [candidate("a")])


class Target(ScriptedStepModel):
    """Finds every text as probable as its number in the script says."""

    def __init__(self, **log_probabilities: float) -> None:
        super().__init__([])
        self.log_probabilities = log_probabilities
        self.asked: list[tuple[str, str, str]] = []

    async def log_probability(
        self, prefix: Prefix, text: str, followed_by: str = ""
    ) -> tuple[float, Usage]:
        self.asked.append((prefix.text, text, followed_by))
        return self.log_probabilities[text], usage(prompt_tokens=10, cached_tokens=0)


async def test_the_ratio_of_target_and_draft() -> None:
    """r = log P_M - log P_m; each candidate is read after those before it, with its own ending."""
    target = Target(b=-1.0, c=-3.0)
    run = [candidate("b", logprob=-2.0), candidate("c", "eos", logprob=-2.5)]

    scores = await LikelihoodRatio(target).score(PREFIX, run)

    assert scores.rewards == [1.0, -0.5]
    assert target.asked == [("a\n\n", "b", "\n\n"), ("a\n\nb\n\n", "c", "")]
    assert (scores.usage["calls"], scores.usage["prompt_tokens"]) == (2, 20)


async def test_the_hybrid_weighs_the_reward_by_the_ratio() -> None:
    """r = reward * P_M / P_m; the PRM's own reward stays visible."""
    prm = ScriptedRewardModel([0.5])

    scores = await HybridRatio(prm, Target(b=-1.0)).score(PREFIX, [candidate("b", logprob=-2.0)])

    assert scores.rewards == [0.5 * math.e]
    assert scores.step_rewards == [0.5]
    assert scores.usage["calls"] == 2


async def test_a_huge_ratio_does_not_overflow() -> None:
    """A draft that found its own words impossible still gets a finite weight."""
    prm = HybridRatio(ScriptedRewardModel([1.0]), Target(b=-1.0))

    scores = await prm.score(PREFIX, [candidate("b", logprob=-9999.0)])

    assert math.isfinite(scores.rewards[0])


async def test_a_bad_reward_is_refused_before_it_is_weighed() -> None:
    """The PRM inside is checked like any other: NaN times a ratio is still NaN."""
    prm = HybridRatio(ScriptedRewardModel([math.nan]), Target(b=-1.0))

    with pytest.raises(RewardError, match="nan"):
        await prm.score(PREFIX, [candidate("b", logprob=-1.0)])


async def test_a_draft_without_log_probabilities_is_refused() -> None:
    """The error says how to get them."""
    with pytest.raises(CapabilityError, match="logprobs=True"):
        await LikelihoodRatio(Target(b=-1.0)).score(PREFIX, [candidate("b")])


def test_a_target_that_cannot_score_text_is_refused() -> None:
    """Found when the parts are put together, not in the middle of an answer."""
    with pytest.raises(CapabilityError, match="ScriptedStepModel"):
        LikelihoodRatio(ScriptedStepModel([]))


async def test_a_server_without_prompt_log_probabilities_says_so() -> None:
    """TGI's completions route cannot report the probability of given text."""
    target: Any = HostedModel(TGIWire(Endpoint("http://127.0.0.1:9", role="target")))

    with pytest.raises(CapabilityError, match="such as vLLM or llama"):
        await LikelihoodRatio(target).score(PREFIX, [candidate("b", logprob=-1.0)])
