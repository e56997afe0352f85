"""What the draft's own words say of a step, for nothing."""

from __future__ import annotations

import math

import pytest

from rsd_graph import (
    Candidate,
    CapabilityError,
    Endpoint,
    Prefix,
    RewardModel,
    StepRequest,
    candidate,
)
from rsd_graph.answer.state import Certainty, Message
from rsd_graph.providers.prm import FirstTokenCertainty, LeastLikelyToken
from rsd_graph.providers.prm.features import features_of
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from tests.conftest import Serve
from tests.helpers.bigram import write_bigram_model

PREFIX = Prefix([Message(role="user", content="Q")])


def sure(lowest: float = 0.5, entropy: float = 0.0, tokens: int = 4) -> Candidate:
    """A step with this probability of its least likely token."""
    told = Certainty(
        tokens=tokens, mean=math.log(lowest) / 2, lowest=math.log(lowest), first_entropy=entropy
    )
    return {**candidate("a"), "certainty": told}


@pytest.mark.parametrize(
    ("verdict", "step", "reward"),
    [
        (LeastLikelyToken(), sure(lowest=0.25), 0.25),
        (LeastLikelyToken(), sure(lowest=1.0), 1.0),
        (FirstTokenCertainty(), sure(entropy=0.0), 1.0),
        (FirstTokenCertainty(), sure(entropy=1.0), math.exp(-1)),  # GlimpRouter's threshold
    ],
)
async def test_a_verdict_that_costs_nothing(
    verdict: RewardModel, step: Candidate, reward: float
) -> None:
    """No call, no token, and no verdict of a model in the books."""
    scores = await verdict.score(PREFIX, [step])

    assert scores.rewards == pytest.approx([reward])
    assert (scores.usage["calls"], scores.usage["prompt_tokens"], scores.verdicts) == (0, 0, 0)
    assert verdict.reward_range == (0.0, 1.0)


@pytest.mark.parametrize("verdict", [LeastLikelyToken(), FirstTokenCertainty()])
async def test_words_of_unknown_probability_are_refused(verdict: RewardModel) -> None:
    """The error says how a string asks for them."""
    with pytest.raises(CapabilityError, match=r"\?logprobs=on#"):
        await verdict.score(PREFIX, [candidate("a")])


def test_the_features_of_a_step() -> None:
    """Surprise and length on a logarithmic scale, entropy and position as they are."""
    found = features_of(sure(lowest=math.exp(-2), entropy=0.5, tokens=8), position=3)

    assert found == pytest.approx(
        {
            "mean_surprise": math.log(1 + 1e-4),
            "largest_surprise": math.log(2 + 1e-4),
            "first_entropy": 0.5,
            "length": math.log(8),
            "position": 3.0,
        }
    )


async def test_a_real_server_reports_what_is_needed(serve_gguf: Serve, tmp_path: object) -> None:
    """llama.cpp: of "3+4=7" then 60 % "<+>", 20 % "<->", 20 % "la "."""
    server: Endpoint = serve_gguf(write_bigram_model(tmp_path / "m.gguf"))  # type: ignore[operator]
    draft = HostedModel(LlamaCppWire(server), logprobs=True)
    checked = Prefix(PREFIX.conversation, [candidate("3+4=7", "length")])
    step = await draft.write_step(StepRequest(checked, max_tokens=4))

    (lowest,) = (await LeastLikelyToken().score(checked, [step])).rewards
    (first,) = (await FirstTokenCertainty().score(checked, [step])).rewards

    assert lowest == pytest.approx(0.6, abs=1e-3)
    assert first == pytest.approx(math.exp(-0.950), abs=1e-3)
