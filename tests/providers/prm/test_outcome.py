"""Outcome reward models over vLLM's /classify and TEI's /predict.

The live suite asks vLLM's route with random weights. TEI could not be run here: its answers are
those of router/src/http/server.rs and types.rs of TEI 1.9.
"""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import (
    BadRequestError,
    CapabilityError,
    Endpoint,
    MalformedResponseError,
    Prefix,
    RewardError,
    RewardModel,
    candidate,
)
from rsd_graph.answer.state import Message
from rsd_graph.providers.prm import OutcomeRM
from rsd_graph.providers.prm.outcome import tei, tei_predict
from tests.helpers.fake_endpoint import FakeEndpoint

USER = Message(role="user", content="What is 3+4?")
SETTLED = Prefix([Message(role="system", content="S"), USER], [candidate("3+4=7.")])
RUN = [candidate("So 7.", "eos")]
USAGE = {"prompt_tokens": 21, "total_tokens": 21, "completion_tokens": 0}


def classified(*probs: float) -> dict[str, Any]:
    item = {"index": 0, "label": "LABEL_0", "probs": list(probs), "num_classes": len(probs)}
    return {"object": "list", "model": "orm", "data": [item], "usage": USAGE}


async def test_vllm_rates_the_answer_so_far_as_a_chat() -> None:
    """Gotcha 24: the raw number is asked for; the paper's delta of 0 is on that scale."""
    async with FakeEndpoint({"/classify": classified(-3.25)}) as server:
        prm = OutcomeRM(Endpoint(server.url + "/v1", "Skywork-Reward"))
        scores = await prm.score(SETTLED, RUN)

    assert scores.rewards == [-3.25]
    assert scores.usage["prompt_tokens"] == 21
    assert prm.reward_range == (float("-inf"), float("inf"))
    assert isinstance(prm, RewardModel)
    assert server.bodies("/classify") == [
        {
            "model": "Skywork-Reward",
            "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": "What is 3+4?"},
                {"role": "assistant", "content": "3+4=7.\n\nSo 7."},
            ],
            "add_generation_prompt": False,
            "use_activation": False,
        }
    ]


async def test_tei_rates_question_and_answer_as_a_pair() -> None:
    """Gotcha 46: truncation is switched off; the number comes raw, its cost in a header."""
    async with FakeEndpoint() as server:
        said = [{"score": 1.5, "label": "LABEL_0"}]
        server.script("/predict", (200, said, {"x-compute-tokens": "33"}))
        scores = await OutcomeRM(server.endpoint, tei_predict).score(SETTLED, RUN)

    assert scores.rewards == [1.5]
    assert (scores.usage["prompt_tokens"], scores.usage["cache_unreported_calls"]) == (33, 0)
    assert server.bodies("/predict") == [
        {
            "inputs": ["What is 3+4?", "3+4=7.\n\nSo 7."],
            "truncate": False,
            "raw_scores": True,
        }
    ]


async def test_too_long_for_tei_is_an_error() -> None:
    """Gotcha 46: the text is refused, never scored in part."""
    said = {"error": "`inputs` must have less than 512 tokens. Given: 700", "error_type": "t"}
    async with FakeEndpoint() as server:
        server.script("/predict", (413, said))
        with pytest.raises(BadRequestError, match="512 tokens"):
            await OutcomeRM(server.endpoint, tei_predict).score(SETTLED, RUN)


async def test_every_candidate_is_rated_after_those_before_it() -> None:
    """One request each; the ratings come back in order."""
    async with FakeEndpoint({"/classify": classified(0.5)}) as server:
        scores = await OutcomeRM(server.endpoint).score(SETTLED, [candidate("a"), candidate("b")])

    texts = {body["messages"][-1]["content"] for body in server.bodies("/classify")}
    assert texts == {"3+4=7.\n\na", "3+4=7.\n\na\n\nb"}
    assert scores.rewards == [0.5, 0.5]
    assert scores.usage["calls"] == 2


@pytest.mark.parametrize("probs", [(0.46, 0.54), ()])
async def test_a_classifier_with_other_labels_is_refused(probs: tuple[float, ...]) -> None:
    """Which of two labels means good, no protocol says."""
    async with FakeEndpoint({"/classify": classified(*probs)}) as server:
        with pytest.raises(RewardError, match=f"{len(probs)} labels"):
            await OutcomeRM(server.endpoint).score(SETTLED, RUN)


@pytest.mark.parametrize("broken", [{}, {"data": []}, {"data": [{"probs": [None]}]}])
async def test_other_shapes_are_malformed(broken: dict[str, Any]) -> None:
    """An answer of another route is an error, not a reward."""
    async with FakeEndpoint({"/classify": broken}) as server:
        with pytest.raises(MalformedResponseError):
            await OutcomeRM(server.endpoint).score(SETTLED, RUN)


def test_tei_cannot_sit_in_the_drafts_seat() -> None:
    """It writes no text: said when the parts are put together."""
    with pytest.raises(CapabilityError, match="writes no text"):
        tei(Endpoint("http://h", role="draft"))
