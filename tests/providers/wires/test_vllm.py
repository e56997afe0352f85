"""vLLM's completions route. The answers are those of a live vLLM 0.32.0, word for word."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import (
    BadRequestError,
    CapabilityError,
    ContextOverflowError,
    Endpoint,
    MalformedResponseError,
    Sampling,
    ServerError,
)
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.vllm_answers import SEPARATOR_END, answer


def ask(max_tokens: int = 64, **changes: Any) -> CompletionRequest:
    return CompletionRequest("P", max_tokens, **{"stop": ("\n\n",), **changes})


async def complete(response: Any, request: CompletionRequest | None = None) -> Any:
    async with FakeEndpoint({"/v1/completions": response}) as server:
        return await VLLMWire(server.endpoint).complete(request or ask())


@pytest.mark.parametrize(
    ("choice", "tokens", "ended"),
    [
        ({"finish_reason": "stop", "stop_reason": "\n\n"}, 18, "separator"),
        ({"finish_reason": "stop", "stop_reason": None}, 10, "eos"),
        ({"finish_reason": "stop", "stop_reason": 327}, 10, "eos"),
        ({"finish_reason": "length", "stop_reason": None}, 64, "length"),
        ({"finish_reason": "length", "stop_reason": None}, 20, "context"),
    ],
)
async def test_how_a_step_ended(choice: dict[str, Any], tokens: int, ended: str) -> None:
    """B3, B4, gotchas 1, 17: an int stop_reason ends the text; a clamped length, the context."""
    completion = await complete(answer({"completion_tokens": tokens}, **choice))

    assert completion.ended == ended


async def test_the_text_comes_without_its_separator() -> None:
    """B5: nothing is appended to what the model wrote; `ended` alone tells of the separator."""
    completion = await complete(SEPARATOR_END)

    assert completion.text == "Step 1: Add 3 and 4. 3+4=7."


async def test_an_end_of_text_at_once_is_an_end() -> None:
    """An empty text with finish_reason stop and no stop_reason is the end of the answer."""
    completion = await complete(answer({"completion_tokens": 1}, text="", stop_reason=None))

    assert (completion.text, completion.ended) == ("", "eos")


@pytest.mark.parametrize("reason", ["repetition", "content_filter", "", None])
async def test_an_unknown_finish_reason_is_never_taken_for_a_step(reason: str | None) -> None:
    """A "repetition" carries a str stop_reason too: finish_reason is read first."""
    unknown = answer(finish_reason=reason, stop_reason="repetition_detected")
    with pytest.raises(MalformedResponseError, match="finish_reason"):
        await complete(unknown)


async def test_an_aborted_request_is_a_server_error() -> None:
    """finish_reason "abort" is the server's failure, not a step."""
    with pytest.raises(ServerError, match="aborted"):
        await complete(answer(finish_reason="abort", stop_reason=None))


async def test_a_foreign_stop_string_is_not_our_separator() -> None:
    """A stop_reason that is none of our stop strings is refused: who knows what it means."""
    with pytest.raises(CapabilityError, match="END"):
        await complete(answer(stop_reason="END"))


async def test_a_server_without_stop_reason_is_refused() -> None:
    """Gotcha 3: where separator and end look the same (llama.cpp's /v1), RSD cannot run."""
    silent = answer()
    del silent["choices"][0]["stop_reason"]

    with pytest.raises(CapabilityError, match="llamacpp"):
        await complete(silent)


async def test_usage_is_the_servers_and_silence_about_the_cache_is_not_zero() -> None:
    """B25, gotcha 32: counts are read, never computed; a null cache report stays unknown."""
    silent = await complete(SEPARATOR_END)
    told = await complete(answer({"prompt_tokens_details": {"cached_tokens": 16}}))

    assert (silent.usage["prompt_tokens"], silent.usage["completion_tokens"]) == (37, 18)
    assert (silent.usage["cached_tokens"], silent.usage["cache_unreported_calls"]) == (0, 1)
    assert (told.usage["cached_tokens"], told.usage["cache_unreported_calls"]) == (16, 0)


async def test_every_sampling_parameter_is_explicit() -> None:
    """Gotchas 6, 14, 15, 21, 35: no default leaks in, no second BOS, own seed, stop as a list."""
    sampling = Sampling(0.5, 0.9, 40, 0.1, 1.1)
    async with FakeEndpoint({"/v1/completions": SEPARATOR_END}) as server:
        endpoint = Endpoint(server.url + "/v1", "tiny")
        await VLLMWire(endpoint).complete(ask(sampling=sampling, seed=2**62))

    assert server.bodies("/v1/completions") == [
        {
            "model": "tiny",
            "prompt": "P",
            "max_tokens": 64,
            "stop": ["\n\n"],
            "seed": 2**62,
            "n": 1,
            "stream": False,
            "echo": False,
            "add_special_tokens": False,
            "include_stop_str_in_output": False,
            "temperature": 0.5,
            "top_p": 0.9,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "top_k": 40,
            "min_p": 0.1,
            "repetition_penalty": 1.1,
        }
    ]


async def test_no_limit_on_top_k_is_said_as_vllm_says_it() -> None:
    """Our 0 is vLLM's -1; a missing model name is left out rather than sent empty."""
    async with FakeEndpoint({"/v1/completions": SEPARATOR_END}) as server:
        await VLLMWire(server.endpoint).complete(ask())

    (body,) = server.bodies("/v1/completions")
    assert body["top_k"] == -1
    assert "model" not in body


async def test_log_probabilities_become_tokens() -> None:
    """The generated token keeps its own number where a rival is written with the same text."""
    logprobs = {
        "tokens": ["7", "+"],
        "token_logprobs": [-0.5, -0.25],
        "top_logprobs": [{"7": -0.5, "8": -1.0}, {"+": -6.0, "-": -1.5}],
        "text_offset": [0, 1],
    }
    completion = await complete(
        answer(text="7+", logprobs=logprobs, stop_reason=None), ask(logprobs=2)
    )

    assert [token.text for token in completion.tokens] == ["7", "+"]
    assert completion.tokens[1].top == {"+": -0.25, "-": -1.5}
    assert completion.logprob == -0.75


async def test_the_separators_token_is_not_part_of_the_text() -> None:
    """Gotcha 19: vLLM reports the stop string's token; the text's log-probability leaves it out."""
    logprobs = {"tokens": ["7.", "\n\n"], "token_logprobs": [-0.5, -3.0], "top_logprobs": None}

    completion = await complete(answer(text="7.", logprobs=logprobs), ask(logprobs=0))

    assert completion.logprob == -0.5


@pytest.mark.parametrize(
    "broken",
    [
        {"choices": []},
        {"usage": None},
        {"choices": [{**SEPARATOR_END["choices"][0], "text": None}]},
        {"choices": "none"},
    ],
)
async def test_an_answer_without_a_promised_field_is_malformed(broken: dict[str, Any]) -> None:
    """No choices, no usage, a null text (gotcha 31): typed errors, not crashes."""
    with pytest.raises(MalformedResponseError):
        await complete({**SEPARATOR_END, **broken})


async def test_a_list_instead_of_an_answer_is_malformed() -> None:
    """JSON of the wrong shape is the server's fault, and says so."""
    with pytest.raises(MalformedResponseError, match="cannot be used"):
        await complete([1, 2])


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            "This model's maximum context length is 2048 tokens. However, your prompt contains at "
            "least 2049 input tokens, ... (parameter=input_tokens, value=2049)",
            ContextOverflowError,
        ),
        ("max_tokens must be at least 1, got 0.", ContextOverflowError),
        ("prompt contains 9000 characters (more than 8192 characters)", ContextOverflowError),
        (
            "max_tokens=5000 cannot be greater than max_model_len=max_total_tokens=2048. "
            "Please request fewer output tokens. (parameter=max_tokens, value=5000)",
            BadRequestError,
        ),
    ],
)
async def test_what_the_context_refuses(message: str, kind: type[Exception]) -> None:
    """Gotcha 18: a full context is one; asking for too many tokens is another mistake."""
    body = {"error": {"message": message, "type": "BadRequestError", "param": None, "code": 400}}
    async with FakeEndpoint() as server:
        server.script("/v1/completions", (400, body))
        with pytest.raises(BadRequestError) as caught:
            await VLLMWire(server.endpoint).complete(ask())

    assert type(caught.value) is kind
