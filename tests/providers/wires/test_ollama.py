"""Ollama's contract. These tests replay the wire shapes of Ollama's sources (v0.33.0-rc2) on a
fake; they were not run against the real server.
"""

from __future__ import annotations

import pytest

from rsd_graph.answer.state import Message
from rsd_graph.errors import CapabilityError, ContextOverflowError, MalformedResponseError
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.ollama import OllamaWire
from rsd_graph.providers.wires.templates import ChatTemplate
from tests.helpers.fake_servers.ollama import FakeOllama
from tests.helpers.fake_servers.serving import EOS

QUESTION = [Message(role="user", content="What is 3 + 4?")]


def wire(server: FakeOllama, **options: object) -> OllamaWire:
    return OllamaWire(Endpoint(server.url, "qwen2.5"), **options)  # type: ignore[arg-type]


def ask(max_tokens: int = 64, **options: object) -> CompletionRequest:
    return CompletionRequest("A B", max_tokens, ("\n\n",), **options)  # type: ignore[arg-type]


async def test_stepwise_use_is_refused_before_anything_is_spent() -> None:
    """Gotcha 3: Ollama says "stop" for the separator and for the end of the answer."""
    async with FakeOllama() as server:
        with pytest.raises(CapabilityError, match="both end-of-text and the separator"):
            await wire(server).complete(ask())

    assert server.requests == []


@pytest.mark.parametrize(("then", "ended"), [([EOS], "eos"), (["\n\n"], "separator")])
async def test_asking_again_tells_the_ends_apart(then: list[str], ended: str) -> None:
    """The heuristic that one may opt into; its tokens are counted."""
    async with FakeOllama(["One.", "\n\n"], then) as server:
        completion = await wire(server, ends="ask-again").complete(ask())

    assert (completion.text, completion.ended) == ("One.", ended)
    assert server.bodies("/api/generate")[1]["prompt"] == "A BOne."
    assert (completion.usage["calls"], completion.usage["completion_tokens"]) == (2, 3)


async def test_without_stop_strings_nothing_is_guessed() -> None:
    """Whole answers need no heuristic."""
    async with FakeOllama(["7", EOS]) as server:
        completion = await wire(server).complete(CompletionRequest("A B", 64))

    assert (completion.text, completion.ended) == ("7", "eos")


async def test_everything_is_sent_explicitly() -> None:
    """Gotchas 15, 38: raw, nothing cut silently, no default of Ollama's, a seed of 32 bits."""
    async with FakeOllama(["7", EOS]) as server:
        await wire(server, num_ctx=4096).complete(CompletionRequest("A B", 64, seed=2**31 + 5))

    assert server.bodies("/api/generate")[0] == {
        "model": "qwen2.5",
        "prompt": "A B",
        "raw": True,
        "stream": False,
        "truncate": False,
        "shift": False,
        "options": {
            "num_ctx": 4096,
            "num_predict": 64,
            "stop": [],
            "temperature": 0.0,
            "top_p": 1.0,
            "top_k": 0,
            "min_p": 0.0,
            "typical_p": 1.0,
            "repeat_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "seed": 5,
        },
    }


async def test_a_full_context_is_not_a_length() -> None:
    """Ollama calls both "length"; the budget tells them apart."""
    async with FakeOllama(["a", "b", "c", "d"]) as server:
        completion = await wire(server, num_ctx=5).complete(CompletionRequest("A B", 64))

    assert (completion.text, completion.ended) == ("abc", "context")


async def test_a_prompt_beyond_the_context_is_an_overflow() -> None:
    """With `truncate` off, Ollama refuses it."""
    async with FakeOllama() as server:
        with pytest.raises(ContextOverflowError, match="exceeds the available context"):
            await wire(server, num_ctx=2).complete(CompletionRequest("A B", 64))


async def test_a_silently_truncated_prompt_is_noticed() -> None:
    """Versions that do not know `truncate` cut the prompt to the context and say nothing."""
    async with FakeOllama(["7", EOS], prompt=4095) as server:
        with pytest.raises(ContextOverflowError, match="4095 of 4096"):
            await wire(server, num_ctx=4096).complete(CompletionRequest("A B", 64))


async def test_an_aborted_generation_is_an_error() -> None:
    """Ollama gives up after 30 equal tokens, without a count or a reason."""
    async with FakeOllama(["a"] * 31) as server:
        with pytest.raises(MalformedResponseError, match="repeats"):
            await wire(server).complete(CompletionRequest("A B", 64))


async def test_ollama_renders_the_conversation() -> None:
    """Through its debug field, with the context that will be used."""
    async with FakeOllama() as server:
        prompt = await wire(server).render(QUESTION)

    assert prompt == "[INST] What is 3 + 4? [/INST]"


async def test_an_ollama_that_only_answers_is_told_to_bring_a_template() -> None:
    """Older versions ignore the debug field."""
    async with FakeOllama(renders=False) as server:
        with pytest.raises(CapabilityError, match=r"template="):
            await wire(server).render(QUESTION)


async def test_the_callers_template_is_preferred() -> None:
    """Then nothing is asked of Ollama."""
    async with FakeOllama() as server:
        template = ChatTemplate("Q: {{ messages[0].content }}\nA:", {})

        assert await wire(server, template=template).render(QUESTION) == "Q: What is 3 + 4?\nA:"

    assert server.requests == []
