"""PRMs with a row per token: PURE, and Skywork-o1-Open-PRM, the paper's own.

None of the models could be run here. PURE's test replays vLLM's `/pooling` of a token classifier
(the live suite runs it with random weights); Skywork's replay `/v1/embeddings` of vLLM 0.6.4.post1
with Skywork's plugin, in both shapes it has, and the like of `/pooling`. How both are asked where
the server judges the last token: `test_last_token.py`.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
from aiohttp import web

from rsd_graph import MalformedResponseError, Prefix, RewardError, RewardModel, candidate
from rsd_graph.answer.state import Message
from rsd_graph.providers.base import check_scores
from rsd_graph.providers.prm import PURE, SKYWORK, SKYWORK_PAPER, RowsFormat, TokenRowsPRM
from tests.helpers.fake_endpoint import FakeEndpoint

CONVERSATION = [
    Message(role="system", content="S"),
    Message(role="user", content="What is 3+4?"),
]
SETTLED = Prefix(CONVERSATION, [candidate("3+4=7.\nYes.")])
RUN = [candidate("So 7."), candidate("Done.", "eos")]
PIECES = {
    "What is 3+4?": [1, 2],
    "<|endoftext|>What is 3+4?\n": [9, 1, 2, 5],
    "3+4=7.\nYes.": [3, 5, 4],
    "So 7.": [6],
    "Done.": [7, 8],
    "\n": [5],
    "\n\n": [11, 10],
}
USAGE = {"prompt_tokens": 11, "total_tokens": 11}


async def tokenize(request: web.Request) -> web.Response:
    body = await request.json()
    assert body["add_special_tokens"] is False
    return web.json_response({"tokens": PIECES[body["prompt"]], "count": 1, "max_model_len": 99})


def pooled(rows: Any) -> dict[str, Any]:
    return {"data": [{"index": 0, "object": "pooling", "data": rows}], "usage": USAGE}


def as_embedding(values: Any) -> dict[str, Any]:
    return {"data": [{"index": 0, "object": "embedding", "embedding": values}], "usage": USAGE}


def server_of(format_: RowsFormat, answer: Any) -> FakeEndpoint:
    return FakeEndpoint({"/tokenize": tokenize, format_.route: answer})


async def test_pure_reads_good_minus_bad_after_every_step() -> None:
    """Each piece is tokenized alone; the row of the newline *we* put is read, not one inside."""
    rows = [[0.5, 0.5]] * 11
    rows[5], rows[7], rows[10] = [0.1, 0.9], [0.75, 0.25], [0.4, 0.6]
    async with server_of(PURE, pooled(rows)) as server:
        prm = TokenRowsPRM(server.endpoint, PURE)
        scores = await prm.score(SETTLED, RUN)

    assert scores.rewards == pytest.approx([-0.5, 0.2])
    assert scores.step_rewards == pytest.approx([0.8, -0.5, 0.2])
    assert scores.usage["prompt_tokens"] == 11
    assert prm.reward_range == (-1.0, 1.0)
    assert isinstance(prm, RewardModel)
    assert server.bodies("/pooling") == [
        {
            "input": [1, 2, 3, 5, 4, 5, 6, 5, 7, 8, 5],
            "encoding_format": "float",
            "use_activation": True,
        }
    ]


@pytest.mark.parametrize("nested", [True, False])
async def test_skywork_as_the_paper_asked_it(nested: bool) -> None:
    r"""B16: `/v1/embeddings` answers one value per token, flat or nested; the reward is a sigmoid.

    Of the tag "\n\n" only the last token is kept, as the authors' prepare_input does.
    """
    values = [0.0] * 13
    values[7], values[9], values[12] = 1.0, -1.0, math.log(3)
    shaped = [[value] for value in values] if nested else values
    async with server_of(SKYWORK_PAPER, as_embedding(shaped)) as server:
        prm = TokenRowsPRM(server.endpoint, SKYWORK_PAPER)
        scores = await prm.score(SETTLED, RUN)

    assert scores.rewards == pytest.approx([0.268941, 0.75], abs=1e-6)
    assert scores.step_rewards[0] == pytest.approx(0.731059, abs=1e-6)
    assert server.bodies("/v1/embeddings") == [
        {"input": [9, 1, 2, 5, 3, 5, 4, 10, 6, 10, 7, 8, 10], "encoding_format": "float"}
    ]


async def test_skywork_by_rows() -> None:
    """One raw value per token from `/pooling`; the tag is that of Skywork's documentation."""
    rows = [[0.0]] * 12 + [[math.log(9)]]
    async with server_of(SKYWORK, pooled(rows)) as server:
        prm = TokenRowsPRM(server.endpoint, SKYWORK)
        scores = await prm.score(SETTLED, RUN)

    assert scores.rewards == pytest.approx([0.5, 0.9])
    assert server.bodies("/pooling")[0]["input"] == [9, 1, 2, 5, 3, 5, 4, 5, 6, 5, 7, 8, 5]
    assert server.bodies("/pooling")[0]["use_activation"] is False


@pytest.mark.parametrize("value", [-1e30, -745.2, 745.2, 1e30])
async def test_the_sigmoid_does_not_overflow(value: float) -> None:
    """B20: very large values of either sign are rewards of 0 and 1, without a warning."""
    async with server_of(SKYWORK, pooled([[value]] * 13)) as server:
        prm = TokenRowsPRM(server.endpoint, SKYWORK)
        scores = await prm.score(SETTLED, RUN)

    check_scores(scores, RUN, prm)
    assert scores.rewards == pytest.approx([float(value > 0)] * 2)


@pytest.mark.parametrize(
    ("format_", "answer"),
    [
        (PURE, pooled([[0.5, 0.5]] * 10)),
        (PURE, pooled([[0.5, 0.5]] * 12)),
        (PURE, pooled([[0.5]] * 11)),
        (PURE, pooled([])),
        (SKYWORK_PAPER, as_embedding([0.0] * 12)),
        (SKYWORK_PAPER, as_embedding([0.0] * 14)),
        (SKYWORK_PAPER, as_embedding([[0.0, 1.0]] * 13)),
    ],
)
async def test_rows_must_be_one_per_token(format_: RowsFormat, answer: Any) -> None:
    """B14: fewer values, as after a prefix-cache hit, would shift every reward: an error."""
    async with server_of(format_, answer) as server:
        with pytest.raises(RewardError, match="tokens"):
            await TokenRowsPRM(server.endpoint, format_).score(SETTLED, RUN)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"data": [], "usage": USAGE},
        as_embedding("AAAAPw=="),
        {**as_embedding([0.0]), "usage": None},
    ],
)
async def test_other_shapes_are_malformed(broken: dict[str, Any]) -> None:
    """Base64, which the OpenAI SDK asks for on its own, is never mistaken for numbers."""
    async with server_of(SKYWORK_PAPER, broken) as server:
        with pytest.raises(MalformedResponseError):
            await TokenRowsPRM(server.endpoint, SKYWORK_PAPER).score(SETTLED, RUN)


async def test_two_numbers_must_be_probabilities() -> None:
    """A head without a softmax gives logits, whose difference is no reward."""
    async with server_of(PURE, pooled([[-0.3, 1.7]] * 11)) as server:
        with pytest.raises(RewardError, match=r"\[-0.3, 1.7\] are no probabilities"):
            await TokenRowsPRM(server.endpoint, PURE).score(SETTLED, RUN)


async def test_settled_text_is_tokenized_once() -> None:
    """A longer answer asks for its new steps only."""
    rows = [[0.5, 0.5]] * 8
    async with server_of(PURE, pooled(rows)) as server:
        prm = TokenRowsPRM(server.endpoint, PURE)
        await prm.score(SETTLED, RUN[:1])
        asked = len(server.bodies("/tokenize"))
        await prm.score(SETTLED, RUN[:1])

    assert asked == 4
    assert len(server.bodies("/tokenize")) == 4
