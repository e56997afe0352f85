"""The draft's own confidence as a reward."""

from __future__ import annotations

import math

import pytest

from rsd_graph import CapabilityError, Endpoint, Prefix, RewardModel, StepRequest, candidate
from rsd_graph.answer.state import Message
from rsd_graph.providers.prm import DraftConfidence
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire

PREFIX = Prefix([Message(role="user", content="Q")])


async def test_confidence_is_the_geometric_mean_probability() -> None:
    """Four tokens of probability 0.5 each: 0.5, and it costs nothing."""
    step = candidate("a", logprob=4 * math.log(0.5), tokens=4)

    scores = await DraftConfidence().score(PREFIX, [step])

    assert scores.rewards == pytest.approx([0.5])
    assert scores.usage["calls"] == 0
    assert DraftConfidence.reward_range == (0.0, 1.0)
    assert isinstance(DraftConfidence(), RewardModel)


async def test_a_draft_without_log_probabilities_is_refused() -> None:
    """The error says how to get them."""
    with pytest.raises(CapabilityError, match="logprobs=True"):
        await DraftConfidence().score(PREFIX, [candidate("a")])


async def test_a_real_server_reports_what_is_needed(llamacpp_server: Endpoint) -> None:
    """llama.cpp's log-probabilities of its own step make a reward in range."""
    draft = HostedModel(LlamaCppWire(llamacpp_server), logprobs=True)
    step = await draft.write_step(StepRequest(PREFIX, max_tokens=16))

    (reward,) = (await DraftConfidence().score(PREFIX, [step])).rewards

    assert 0 < reward <= 1
