"""The HTTP side of examples/skywork_server.py, asked by the PRM it is for.

The real weights could not be run here; the live suite loads a random checkpoint of their shape.
"""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from rsd_graph import Endpoint, Prefix, candidate
from rsd_graph.answer.state import Message
from rsd_graph.errors import BadRequestError, ContextOverflowError, ServerError
from rsd_graph.providers.http.endpoint import RetryPolicy
from rsd_graph.providers.prm import SKYWORK, TokenRowsPRM

FILE = Path(__file__).parents[3] / "examples" / "skywork_server.py"
PREFIX = Prefix([Message(role="user", content="Q")])


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location("skywork_server", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE = load_example()


class FakeModel:
    """Every token is a character; its value is its code."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.prompts: list[Sequence[int]] = []

    def tokenize(self, text: str) -> list[int]:
        return [ord(character) for character in text]

    def score(self, prompts: Sequence[Sequence[int]]) -> list[Any]:
        self.batches.append(len(prompts))
        self.prompts += prompts
        if any(ord("!") in ids for ids in prompts):
            raise RuntimeError("out of memory")
        return [[[float(token)] for token in ids] for ids in prompts]


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
async def endpoint(model: FakeModel) -> AsyncIterator[Endpoint]:
    app = EXAMPLE.build_app(model.tokenize, model.score, max_tokens=64, model="skywork")
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield Endpoint(f"http://{host}:{port}", retry=RetryPolicy(attempts=1))
    await runner.cleanup()


async def test_the_prm_reads_the_value_at_its_tag(endpoint: Endpoint) -> None:
    """One raw value per token: the newline's is 10, and the reward its sigmoid."""
    scores = await TokenRowsPRM(endpoint, SKYWORK).score(PREFIX, [candidate("abc")])

    assert scores.rewards == pytest.approx([0.9999546])
    assert scores.usage["prompt_tokens"] == len("<|endoftext|>Q\n") + len("abc\n")


async def test_what_arrives_together_is_run_together(model: FakeModel) -> None:
    """Up to eight prompts at a time; each gets its own rows."""
    batcher = EXAMPLE.Batcher(model.score)

    rows = await asyncio.gather(*(batcher.rows([token]) for token in range(100, 109)))

    assert rows == [[[float(token)]] for token in range(100, 109)]
    assert model.batches == [8, 1]


async def test_a_request_nobody_waits_for_is_dropped(model: FakeModel) -> None:
    """Its place in the batch is not computed."""
    batcher = EXAMPLE.Batcher(model.score)
    given_up, kept = (asyncio.ensure_future(batcher.rows([token])) for token in (100, 101))
    await asyncio.sleep(0)
    given_up.cancel()

    assert await kept == [[101.0]]
    assert model.prompts == [[101]]


async def test_too_long_is_refused(endpoint: Endpoint) -> None:
    """Nothing is cut: a longer text is a context overflow."""
    with pytest.raises(ContextOverflowError):
        await TokenRowsPRM(endpoint, SKYWORK).score(PREFIX, [candidate("x" * 64)])


async def test_text_is_refused(endpoint: Endpoint) -> None:
    """It pools token ids only, as the family asks."""
    prm = TokenRowsPRM(endpoint, SKYWORK)
    with pytest.raises(BadRequestError, match="token ids"):
        await prm._client.post("/pooling", {"input": "text"}, dict)


async def test_a_failing_model_fails_its_requests_only(endpoint: Endpoint) -> None:
    """The next request is served as if nothing had been."""
    prm = TokenRowsPRM(endpoint, SKYWORK)
    with pytest.raises(ServerError):
        await prm.score(PREFIX, [candidate("!")])

    assert (await prm.score(PREFIX, [candidate("a")])).rewards
