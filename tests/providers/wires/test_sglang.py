"""SGLang's contract. These tests replay the wire shapes of SGLang 0.5.23's sources on a fake; they
were not run against the real server.
"""

from __future__ import annotations

import pytest

from rsd_graph.answer.state import Message
from rsd_graph.errors import ContextOverflowError, ServerError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.endpoint import Endpoint, RetryPolicy
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.sglang import SGLangWire
from tests.helpers.fake_servers.serving import EOS
from tests.helpers.fake_servers.sglang import FakeSGLang

QUESTION = [Message(role="user", content="What is 3 + 4?")]


def wire(server: FakeSGLang) -> SGLangWire:
    return SGLangWire(Endpoint(server.url + "/v1", "qwen", retry=RetryPolicy(attempts=1)))


def ask(max_tokens: int = 64, **options: object) -> CompletionRequest:
    return CompletionRequest("A B", max_tokens, ("\n\n",), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("script", "text", "ended"),
    [
        (["3", " + 4.", "\n\nStep"], "3 + 4.", "separator"),
        (["7", EOS], "7", "eos"),
        (["3", " +", " 4"], "3 +", "length"),
    ],
)
async def test_the_type_of_matched_stop_tells_the_end(
    script: list[str], text: str, ended: str
) -> None:
    """Gotcha 1: a text is our separator, an id is an EOS."""
    async with FakeSGLang(script) as server:
        completion = await wire(server).complete(ask(max_tokens=2 if ended == "length" else 9))

    assert (completion.text, completion.ended) == (text, ended)


async def test_a_text_that_is_not_our_separator_is_an_error() -> None:
    """SGLang reports NaN logits as a matched stop string; that is no step."""
    async with FakeSGLang(["7", EOS], eos="NaN happened") as server:
        with pytest.raises(ServerError, match="NaN happened"):
            await wire(server).complete(ask())


async def test_every_sampling_parameter_is_sent() -> None:
    """Gotcha 15: no default of the model leaks in; the separator is left out of the text."""
    async with FakeSGLang(["7", EOS]) as server:
        await wire(server).complete(ask(sampling=Sampling(temperature=0.7), seed=5))

    assert server.bodies("/v1/completions")[0] == {
        "model": "qwen",
        "prompt": "A B",
        "max_tokens": 64,
        "stop": ["\n\n"],
        "no_stop_trim": False,
        "seed": 5,
        "temperature": 0.7,
        "top_p": 1.0,
        "top_k": -1,
        "min_p": 0.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "repetition_penalty": 1.0,
    }


async def test_the_budget_is_clipped_to_the_context() -> None:
    """Gotcha 17: too large a budget is an error; its refusal says how much room there is."""
    async with FakeSGLang(["a", "b", "c"], context=6) as server:
        completion = await wire(server).complete(ask(max_tokens=10))

    assert [body["max_tokens"] for body in server.bodies("/v1/completions")] == [10, 3]
    assert (completion.text, completion.ended) == ("abc", "context")


async def test_a_prompt_beyond_the_context_is_an_overflow() -> None:
    """Gotchas 18, 40: the error is not nested as elsewhere, and its words are understood."""
    async with FakeSGLang(context=3) as server:
        with pytest.raises(ContextOverflowError, match=r"\(3 tokens\) is longer"):
            await wire(server).complete(ask(max_tokens=10))


@pytest.mark.parametrize(
    ("adds_bos", "prompt"),
    [(True, "[INST] What is 3 + 4? [/INST]"), (False, "<s>[INST] What is 3 + 4? [/INST]")],
)
async def test_the_bos_token_never_comes_twice(adds_bos: bool, prompt: str) -> None:
    """Gotcha 14: a BOS of the template is cut if, and only if, the server adds its own."""
    async with FakeSGLang(adds_bos=adds_bos) as server:
        assert await wire(server).render(QUESTION) == prompt


async def test_a_cache_that_is_not_reported_is_unknown() -> None:
    """Gotcha 32: prompt_tokens_details is null without --enable-cache-report."""
    async with FakeSGLang(["7", EOS]) as server:
        completion = await wire(server).complete(ask())

    assert completion.usage["cache_unreported_calls"] == 1
    assert (completion.usage["prompt_tokens"], completion.usage["completion_tokens"]) == (3, 2)


async def test_logprobs_hold_the_token_itself_and_its_rivals() -> None:
    """A chosen token is in its own list even if it is not among the likeliest."""
    async with FakeSGLang(["7", EOS]) as server:
        completion = await wire(server).complete(ask(logprobs=1))

    assert [dict(token.top) for token in completion.tokens] == [{"other": -2.0, "7": -0.5}]
