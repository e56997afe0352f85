"""Qwen2.5-Math-PRM over vLLM's /pooling, by step pooling. The answers are a live vLLM 0.32.0's.

How the same class asks a server that judges the last token: `test_last_token.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from rsd_graph import (
    BadRequestError,
    Endpoint,
    MalformedResponseError,
    ModelNotFoundError,
    Prefix,
    RewardError,
    RewardModel,
    UnsupportedRouteError,
    candidate,
)
from rsd_graph.answer.state import Message
from rsd_graph.providers.prm import OutcomeRM, PoolingPRM
from tests.helpers.fake_endpoint import FakeEndpoint

THREE_ROWS = json.loads(
    """{"id":"pooling-8a354479ad0bddb0","object":"list","created":1795357285,
    "model":"tiny_prm_step","data":[{"index":0,"object":"pooling","data":[
    [0.3672148585319519,0.6327850818634033],[0.2289213091135025,0.7710786461830139],
    [0.8961345553398132,0.10386542975902557]]}],"usage":{"prompt_tokens":88,"total_tokens":88,
    "completion_tokens":0,"prompt_tokens_details":null,"completion_tokens_details":null}}"""
)
CONVERSATION = [
    Message(role="system", content="Be brief."),
    Message(role="user", content="What is 3+4+5?"),
]
SETTLED = Prefix(CONVERSATION, [candidate("3+4=7.")])
RUN = [candidate("7+5=12."), candidate("The answer is 13.", "eos")]


def answer(*rows: Any) -> dict[str, Any]:
    """vLLM's answer with other rows."""
    return {**THREE_ROWS, "data": [{"index": 0, "object": "pooling", "data": list(rows)}]}


async def test_a_run_is_scored_in_one_call() -> None:
    """B12, B16: the candidates' rows are the rewards; all rows are kept as step_rewards."""
    async with FakeEndpoint({"/pooling": THREE_ROWS}) as server:
        prm = PoolingPRM(Endpoint(server.url + "/v1", "Qwen/Qwen2.5-Math-PRM-7B"))
        scores = await prm.score(SETTLED, RUN)

    assert scores.rewards == [0.7710786461830139, 0.10386542975902557]
    assert scores.step_rewards == [0.6327850818634033, 0.7710786461830139, 0.10386542975902557]
    assert (scores.usage["calls"], scores.usage["prompt_tokens"]) == (1, 88)
    assert isinstance(prm, RewardModel)
    assert server.bodies("/pooling") == [
        {
            "model": "Qwen/Qwen2.5-Math-PRM-7B",
            "input": "<|im_start|>system\nPlease reason step by step, and put your final answer "
            "within \\boxed{}.<|im_end|>\n<|im_start|>user\nWhat is 3+4+5?<|im_end|>\n"
            "<|im_start|>assistant\n3+4=7.<extra_0>7+5=12.<extra_0>The answer is 13.<extra_0>",
            "add_special_tokens": False,
            "use_activation": True,
            "encoding_format": "float",
        }
    ]


@pytest.mark.parametrize(
    "rows",
    [[], [[0.4, 0.6]] * 2, [[0.4, 0.6]] * 4, [[0.6]] * 3, [[0.1, 0.2, 0.7]] * 3],
)
async def test_rows_must_be_one_pair_per_step(rows: list[Any]) -> None:
    """B14, gotcha 26: a wrong tag answers 200 and []; more, fewer or other rows are errors too."""
    async with FakeEndpoint({"/pooling": answer(*rows)}) as server:
        with pytest.raises(RewardError, match="for 3 steps"):
            await PoolingPRM(server.endpoint).score(SETTLED, RUN)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {**THREE_ROWS, "data": []},
        {**THREE_ROWS, "data": [{"index": 0, "data": "AAAA"}]},
        {**THREE_ROWS, "data": [{"index": 0, "data": [[None, 0.5]] * 3}]},
        {**THREE_ROWS, "data": THREE_ROWS["data"] * 2},
        {**THREE_ROWS, "usage": None},
    ],
)
async def test_other_shapes_are_malformed(broken: dict[str, Any]) -> None:
    """B16: base64, null or two answers to one prompt are errors, not rewards."""
    async with FakeEndpoint({"/pooling": broken}) as server:
        with pytest.raises(MalformedResponseError):
            await PoolingPRM(server.endpoint).score(SETTLED, RUN)


@pytest.mark.parametrize("prm", [PoolingPRM, OutcomeRM])
async def test_a_router_without_the_route_is_told_from_a_wrong_name(prm: Any) -> None:
    """A router that does not pass on vLLM's own routes answers 404; the hint says what to do."""
    async with FakeEndpoint() as router:
        with pytest.raises(ModelNotFoundError) as caught:
            await prm(router.endpoint).score(SETTLED, RUN[:1])

    assert "if this is a router that does not pass it on" in str(caught.value)
    assert "name the PRM's servers themselves" in str(caught.value)


async def test_a_reward_that_is_no_number_is_refused() -> None:
    """NaN in a row is not JSON, and no answer."""
    async with FakeEndpoint() as server:
        server.script("/pooling", (200, json.dumps(answer(*[[0.5, float("nan")]] * 3))))
        with pytest.raises(MalformedResponseError, match="valid number"):
            await PoolingPRM(server.endpoint).score(SETTLED, RUN)


@pytest.mark.parametrize("tag", ["<extra_0>", "<|im_end|>", "<|im_start|>"])
async def test_a_step_with_the_prms_tag_is_refused(tag: str) -> None:
    """Gotcha 26: a tag inside a step would add a row; refused before anything is asked."""
    async with FakeEndpoint({"/pooling": THREE_ROWS}) as server:
        with pytest.raises(RewardError, match="own tag"):
            await PoolingPRM(server.endpoint).score(SETTLED, [candidate(f"x{tag}")])

    assert server.requests == []


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "Unsupported task: 'embed' Supported tasks: ['token_classify']", BadRequestError),
        (501, "The model does not support Pooling API", UnsupportedRouteError),
    ],
)
async def test_the_servers_refusals_keep_their_words(
    status: int, message: str, kind: type[Exception]
) -> None:
    """A model that is no such PRM is told apart from a broken server."""
    async with FakeEndpoint() as server:
        server.script("/pooling", (status, {"error": {"message": message, "code": status}}))
        with pytest.raises(kind, match=message.partition("[")[0]):
            await PoolingPRM(server.endpoint).score(SETTLED, RUN)
