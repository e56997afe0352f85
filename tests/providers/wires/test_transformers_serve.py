"""The contract of `transformers serve`: a fake replays the sources of transformers 5.23.0."""

from __future__ import annotations

import pytest

from rsd_graph.answer.state import Message
from rsd_graph.errors import BadRequestError, CapabilityError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.transformers_serve import TransformersServeWire
from tests.helpers.fake_servers.serving import EOS
from tests.helpers.fake_servers.transformers_serve import FakeTransformersServe

QUESTION = [Message(role="user", content="What is 3 + 4?")]
LLAMA = ChatTemplate(
    "{{ bos_token }}[INST] {{ messages[0].content }} [/INST]", {"bos_token": "<s>"}
)


def wire(
    server: FakeTransformersServe, template: ChatTemplate | None = None
) -> TransformersServeWire:
    return TransformersServeWire(Endpoint(server.url + "/v1", "models/tiny"), template=template)


def ask(max_tokens: int = 64, **options: object) -> CompletionRequest:
    return CompletionRequest("A B", max_tokens, ("\n\n",), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "text", "ended"),
    [
        (["One.", "\n\n"], "One.", "separator"),
        (["One.", "\n\nTwo"], "One.", "separator"),
        (["7", EOS], "7", "eos"),
        (["a", "b", "c", "d"], "abcd", "length"),
        (["a", "b", "c", "\n\n"], "abc", "separator"),
    ],
)
async def test_the_separator_in_the_text_tells_the_end(
    script: list[str], text: str, ended: str
) -> None:
    """finish_reason is "stop" for both ends, and "length" for any text of full length."""
    async with FakeTransformersServe(script) as server:
        completion = await wire(server).complete(ask(max_tokens=4))

    assert (completion.text, completion.ended) == (text, ended)


async def test_only_known_fields_are_sent() -> None:
    """An unknown field is refused with 422; sampling travels as a generation config."""
    async with FakeTransformersServe(["7", EOS]) as server:
        await wire(server).complete(ask(sampling=Sampling(0.7, min_p=0.1), seed=5))

    assert set(server.bodies("/v1/completions")[0]) == {
        "model", "prompt", "max_tokens", "seed", "stop", "generation_config",
    }  # fmt: skip
    assert server.generation() == {
        "do_sample": True,
        "temperature": 0.7,
        "top_p": 1.0,
        "top_k": 0,
        "min_p": 0.1,
        "repetition_penalty": 1.0,
    }


async def test_greedy_turns_sampling_off() -> None:
    """Gotcha 15: a model whose own config samples would sample at temperature 0 otherwise."""
    async with FakeTransformersServe(["7", EOS]) as server:
        await wire(server).complete(ask())

    assert server.generation() == {"do_sample": False, "repetition_penalty": 1.0}


async def test_the_servers_422_is_understood() -> None:
    """Its explanation is `detail`."""
    async with FakeTransformersServe() as server:
        client = wire(server)._client
        with pytest.raises(BadRequestError, match="Unexpected fields"):
            await client.post("/v1/completions", {"prompt": "A", "return_token_ids": True}, dict)


async def test_logprobs_are_refused() -> None:
    """The server accepts the field and ignores it."""
    async with FakeTransformersServe() as server:
        with pytest.raises(CapabilityError, match="log-probabilities"):
            await wire(server).complete(ask(logprobs=0))

    assert server.requests == []


@pytest.mark.parametrize(
    ("adds_bos", "prompt"),
    [(True, "[INST] What is 3 + 4? [/INST]"), (False, "<s>[INST] What is 3 + 4? [/INST]")],
)
async def test_the_bos_token_never_comes_twice(adds_bos: bool, prompt: str) -> None:
    """Gotcha 14: the server encodes every prompt with the tokenizer's special tokens."""
    async with FakeTransformersServe([EOS], adds_bos=adds_bos) as server:
        assert await wire(server, LLAMA).render(QUESTION) == prompt


async def test_rendering_needs_a_template() -> None:
    """The server has no route for it."""
    async with FakeTransformersServe() as server:
        with pytest.raises(CapabilityError, match=r"ChatTemplate\.load"):
            await wire(server).render(QUESTION)
