"""PRMs whose server judges the last token. The answers are those of a live vLLM 0.32.0.

Of the same random weights: with the plug-in (`PLUGGED`), and divided by `rsd-graph split-prm`
(`SPLIT`, asked for logits). The live suite asks the servers themselves.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web

from rsd_graph import MalformedResponseError, Prefix, RewardError, candidate
from rsd_graph.answer.state import Message
from rsd_graph.providers.prm import PURE, SKYWORK, PoolingPRM, RowsFormat, TokenRowsPRM
from tests.helpers.fake_endpoint import FakeEndpoint

PLUGGED = json.loads(
    """{"id":"pooling-8e5c556d753c8b8a","object":"list","created":1795861810,"model":"plug",
    "data":[{"index":0,"object":"pooling","data":[0.4930433928966522,0.5069566965103149]},
    {"index":1,"object":"pooling","data":[0.5185542106628418,0.4814457595348358]}],
    "usage":{"prompt_tokens":79,"total_tokens":79,"completion_tokens":0,
    "prompt_tokens_details":null,"completion_tokens_details":null}}"""
)
SPLIT = json.loads(
    """{"id":"pooling-91512382606b663d","object":"list","created":1795861812,"model":"split",
    "data":[{"index":0,"object":"pooling","data":[-0.27524319291114807,-0.24741461873054504]},
    {"index":1,"object":"pooling","data":[0.15486645698547363,0.08061547577381134]}],
    "usage":{"prompt_tokens":79,"total_tokens":79,"completion_tokens":0,
    "prompt_tokens_details":null,"completion_tokens_details":null}}"""
)
REWARDS = [0.5069566965103149, 0.4814457595348358]
CONVERSATION = [Message(role="user", content="Q")]
RUN = [candidate("43-33=10."), candidate("10+8=18.", "eos")]
ASKED = (
    "<|im_start|>system\nPlease reason step by step, and put your final answer within \\boxed{}."
    "<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n43-33=10.<extra_0>"
)


def only(answer: dict[str, Any], number: int) -> dict[str, Any]:
    """The same for one of the two prompts."""
    return {**answer, "data": [{**answer["data"][number], "index": 0}]}


def judging(answer: dict[str, Any]) -> FakeEndpoint:
    """A server that judges the last token of these two prompts."""

    async def pool(request: web.Request) -> web.Response:
        asked = (await request.json())["input"]
        if isinstance(asked, str):
            return web.json_response(only(answer, asked.count("<extra_0>") - 1))
        return web.json_response(answer)

    return FakeEndpoint({"/pooling": pool})


async def test_a_run_is_one_list_once_the_server_is_known() -> None:
    """The first answer shows a flat list; from then on a run is one request of nested prompts."""
    async with judging(PLUGGED) as server:
        prm = PoolingPRM(server.endpoint)
        first = await prm.score(Prefix(CONVERSATION), RUN)
        second = await prm.score(Prefix(CONVERSATION), RUN)

    assert first.rewards == second.rewards == REWARDS
    assert first.usage["calls"] == 2
    assert (second.usage["calls"], second.usage["prompt_tokens"]) == (1, 79)
    assert prm.pooling == "last token"
    nested = [ASKED, ASKED + "10+8=18.<extra_0>"]
    asked = [body["input"] for body in server.bodies("/pooling")]
    assert asked == [nested[1], nested[0], nested]


async def test_nothing_follows_the_tag() -> None:
    """Whatever stands last is judged: every prompt ends in the newest step's tag."""
    settled = Prefix(CONVERSATION, [candidate("<p>Let x."), candidate("\n\nThen.\n\n")])
    async with judging(PLUGGED) as server:
        prompts = PoolingPRM(server.endpoint).prompts(settled, RUN)

    assert all(prompt.endswith(".<extra_0>") for prompt in prompts)
    assert prompts[1].startswith(prompts[0])


async def test_settled_steps_are_not_reported() -> None:
    """`step_rewards` stays empty: `Aggregated` asks about them by itself."""
    async with judging(PLUGGED) as server:
        scores = await PoolingPRM(server.endpoint).score(Prefix(CONVERSATION, RUN[:1]), RUN[1:])

    assert scores.rewards == REWARDS[1:]
    assert scores.step_rewards == []


async def test_logits_of_a_split_checkpoint_are_named() -> None:
    """They are asked for, and the softmax is ours: the same rewards to 1e-6."""
    async with judging(SPLIT) as server:
        scores = await PoolingPRM(server.endpoint, logits=True).score(Prefix(CONVERSATION), RUN)

    assert scores.rewards == pytest.approx(REWARDS, abs=1e-6)
    assert [body["use_activation"] for body in server.bodies("/pooling")] == [False, False]


@pytest.mark.parametrize("numbers", [[-0.74370276927948, -0.668510377407074], [0.2, 0.9], [1, 1]])
async def test_what_is_no_probability_is_refused(numbers: list[float]) -> None:
    """The first is what a split checkpoint answers to the other name: logits of length 1."""
    answer = {**PLUGGED, "data": [{"index": 0, "data": numbers}]}
    async with FakeEndpoint({"/pooling": answer}) as server:
        with pytest.raises(RewardError, match=r"no probabilities.*qwen-prm-split\+vllm"):
            await PoolingPRM(server.endpoint).score(Prefix(CONVERSATION), RUN[:1])


@pytest.mark.parametrize("width", [1, 3, 64])
async def test_a_skipped_head_is_named(width: int) -> None:
    """vLLM logs a Dense it cannot load and goes on: the hidden state comes back."""
    answer = {**SPLIT, "data": [{"index": 0, "data": [0.1] * width}]}
    async with FakeEndpoint({"/pooling": answer}) as server:
        prm = PoolingPRM(server.endpoint, logits=True)
        with pytest.raises(RewardError, match=rf"\[{width}\] numbers.*skipped the head"):
            await prm.score(Prefix(CONVERSATION), RUN[:1])


async def test_verdicts_are_ordered_by_their_index() -> None:
    """Nothing promises the order of the answers to a list."""
    async with judging({**PLUGGED, "data": PLUGGED["data"][::-1]}) as server:
        prm = PoolingPRM(server.endpoint)
        server.script("/pooling", (200, only(PLUGGED, 0)))
        await prm.score(Prefix(CONVERSATION), RUN[:1])
        scores = await prm.score(Prefix(CONVERSATION), RUN)

    assert scores.rewards == REWARDS


async def test_a_verdict_too_few_is_malformed() -> None:
    """One answer to two prompts belongs to nobody knows which."""
    async with judging(PLUGGED) as server:
        prm = PoolingPRM(server.endpoint)
        await prm.score(Prefix(CONVERSATION), RUN)
        server.script("/pooling", (200, only(PLUGGED, 0)))
        with pytest.raises(MalformedResponseError, match="1 answers to 2 prompts"):
            await prm.score(Prefix(CONVERSATION), RUN)


async def test_a_server_that_changes_its_pooling_is_followed() -> None:
    """Restarted with step pooling, it answers a list of prompts with rows: the longest counts."""
    rows = [[0.75, 0.25], [0.5, 0.5]]
    stepped = {"data": [{"index": 0, "data": rows[:1]}, {"index": 1, "data": rows}]}
    async with judging(PLUGGED) as server:
        prm = PoolingPRM(server.endpoint)
        await prm.score(Prefix(CONVERSATION), RUN)
        server.script("/pooling", (200, {**PLUGGED, **stepped}))
        scores = await prm.score(Prefix(CONVERSATION), RUN)

    assert scores.rewards == scores.step_rewards == [0.25, 0.5]
    assert prm.pooling == "rows"


PIECES = {"Q": [1, 2], "<|endoftext|>Q\n": [9, 1, 2, 5], "43-33=10.": [3], "10+8=18.": [4, 4]}
OF_TOKENS: list[tuple[RowsFormat, list[list[int]], list[list[float]], list[float]]] = [
    (PURE, [[1, 2, 3, 5], [1, 2, 3, 5, 4, 4, 5]], [[0.25, 0.75], [0.5, 0.5]], [0.5, 0.0]),
    (SKYWORK, [[9, 1, 2, 5, 3, 5], [9, 1, 2, 5, 3, 5, 4, 4, 5]], [[0.0], [1e30]], [0.5, 1.0]),
]


@pytest.mark.parametrize(("format_", "prompts", "verdicts", "rewards"), OF_TOKENS)
async def test_prms_asked_by_token_ids(
    format_: RowsFormat,
    prompts: list[list[int]],
    verdicts: list[list[float]],
    rewards: list[float],
) -> None:
    """A token classifier served by the last token, and a value head: nested lists of ids."""

    async def tokenize(request: web.Request) -> web.Response:
        return web.json_response(
            {"tokens": {**PIECES, "\n": [5]}[(await request.json())["prompt"]]}
        )

    async def pool(request: web.Request) -> web.Response:
        asked = (await request.json())["input"]
        asked = asked if isinstance(asked[0], list) else [asked]
        found = [{"index": n, "data": verdicts[prompts.index(ids)]} for n, ids in enumerate(asked)]
        return web.json_response({"data": found, "usage": {"prompt_tokens": 9}})

    async with FakeEndpoint({"/tokenize": tokenize, "/pooling": pool}) as server:
        prm = TokenRowsPRM(server.endpoint, format_)
        first = await prm.score(Prefix(CONVERSATION), RUN)
        second = await prm.score(Prefix(CONVERSATION), RUN)

    assert first.rewards == second.rewards == rewards
    assert second.step_rewards == []
    assert [body["input"] for body in server.bodies("/pooling")] == [
        prompts[1],
        prompts[0],
        prompts,
    ]
