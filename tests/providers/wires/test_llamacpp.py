"""llama.cpp's own protocol, spoken with the real server and a model whose every word is known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from rsd_graph import (
    ContextOverflowError,
    Endpoint,
    MalformedResponseError,
    Prefix,
    Sampling,
    StepRequest,
)
from rsd_graph.answer.state import Message, Step
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from tests.conftest import Serve
from tests.helpers.bigram import CONTEXT, TEMPLATE, write_bigram_model
from tests.helpers.fake_endpoint import FakeEndpoint

QUESTION = [Message(role="user", content="What is 3+4?")]


@pytest.fixture
def wire(llamacpp_server: Endpoint) -> LlamaCppWire:
    return LlamaCppWire(llamacpp_server)


def ask(prompt: str, max_tokens: int = 8, logprobs: int | None = None) -> CompletionRequest:
    return CompletionRequest(prompt, max_tokens, stop=("\n\n",), logprobs=logprobs)


@pytest.mark.parametrize(
    ("prompt", "text", "ended"),
    [
        ("<|assistant|>", "First, 3+4=7.", "separator"),
        ("First, 3+4=7.\n\n", "So 7.", "eos"),
        ("[turn]", "", "eos"),
        ("[empty]", "", "eos"),
        ("[blank]", "", "separator"),
        ("[merged]", "half.", "separator"),
        ("[loop]", "la " * 8, "length"),
    ],
)
async def test_every_way_a_step_can_end(
    wire: LlamaCppWire, prompt: str, text: str, ended: str
) -> None:
    """B3, B4, B5 and gotcha 3: separator, either end-of-text token, and length are told apart."""
    completion = await wire.complete(ask(prompt))

    assert (completion.text, completion.ended) == (text, ended)


async def test_which_stop_string_was_met_is_told(wire: LlamaCppWire) -> None:
    """The separator or, where a model thinks, the marker that closes it."""
    asked = CompletionRequest("<|assistant|>", 8, stop=("\n\n", "4="))

    completion = await wire.complete(asked)

    assert (completion.text, completion.ended, completion.stop) == ("First, 3+", "separator", "4=")


async def test_a_full_context_is_not_a_spent_budget(wire: LlamaCppWire) -> None:
    """Gotchas 17 and 18: text cut by the model's context ends in "context", not in "length"."""
    completion = await wire.complete(ask("[loop]", max_tokens=1000))

    assert completion.ended == "context"
    assert completion.usage["completion_tokens"] == CONTEXT - 1


async def test_a_prompt_beyond_the_context_is_an_overflow(wire: LlamaCppWire) -> None:
    """A prompt that does not fit is a ContextOverflowError, in the server's words."""
    with pytest.raises(ContextOverflowError, match="exceeds the available context size"):
        await wire.complete(ask("a" * CONTEXT))


async def test_a_full_context_ends_a_step_without_an_error(wire: LlamaCppWire) -> None:
    """As a step, a prompt that fills the context is an outcome that ends the answer."""
    long = Step(
        text="a" * CONTEXT,
        source="draft",
        reward=None,
        accepted=True,
        ended="separator",
        tokens=1,
        ms=0.0,
        rejected_text=None,
    )

    candidate = await HostedModel(wire).write_step(StepRequest(Prefix(QUESTION, [long]), 8))

    assert (candidate["text"], candidate["ended"]) == ("", "context")


async def test_the_server_counts_all_prompt_tokens_and_those_it_reused(wire: LlamaCppWire) -> None:
    """B25: counts are the server's; a reused prefix is in prompt_tokens and in cached_tokens."""
    await wire.complete(ask("b" * 100 + "[empty]"))

    second = await wire.complete(ask("b" * 100 + "[turn]"))

    assert second.usage["prompt_tokens"] == 101
    assert second.usage["cached_tokens"] == 100
    assert second.usage["cache_unreported_calls"] == 0
    assert second.usage["completion_tokens"] == 1


async def test_log_probabilities_are_the_models_own(wire: LlamaCppWire) -> None:
    """At temperature 0 too, the reported probabilities are those before sampling."""
    request = CompletionRequest("[coin]", 1, logprobs=3)

    (token,) = (await wire.complete(request)).tokens

    assert token.text == "+"
    assert math.exp(token.logprob) == pytest.approx(0.5, abs=1e-3)
    assert {text: round(math.exp(p), 2) for text, p in token.top.items()} == {
        "+": 0.5,
        "-": 0.25,
        "la ": 0.25,
    }


async def test_a_texts_log_probability_leaves_out_what_ended_it(wire: LlamaCppWire) -> None:
    """Gotcha 19: the candidate's logprob is that of its text, without the end-of-text token."""
    completion = await wire.complete(CompletionRequest("3+4=7", 4, logprobs=0))

    assert completion.text == "<+>"
    assert [token.text for token in completion.tokens] == ["<+>", ""]
    assert completion.logprob == pytest.approx(math.log(0.6), abs=1e-3)


@pytest.mark.parametrize(
    ("prompt", "text", "probability"),
    [
        ("[coin]", "+", 0.5),
        ("[coin]", "-", 0.25),
        ("[coin]", "la la ", 0.25),
        ("[cut]", "é", 0.6 * 0.75),
        ("[cut]la ", "", 1.0),
        ("<check>", "3+4=7<->", 0.2),
    ],
)
async def test_the_probability_of_given_text(
    wire: LlamaCppWire, prompt: str, text: str, probability: float
) -> None:
    """Likely or not, of one token, of several, or of a character in pieces: the model's own."""
    logprob, spent = await wire.log_probability(prompt, text)

    assert math.exp(logprob) == pytest.approx(probability, abs=1e-3)
    assert spent["completion_tokens"] == 0


async def test_a_text_the_model_would_never_write_has_a_probability_too(
    wire: LlamaCppWire,
) -> None:
    """However far below the likeliest tokens one is, it is not dropped: logits 30 against 0."""
    logprob, _ = await wire.log_probability("[turn]", "zz")

    assert logprob == pytest.approx(-30.0, abs=1e-2)


async def test_given_text_is_scored_as_the_server_reports_it_when_it_writes_it(
    wire: LlamaCppWire,
) -> None:
    """Greedy steps and their reported log-probabilities, read back; the separator is no part."""
    model = HostedModel(wire, logprobs=True)
    step = await model.write_step(StepRequest(Prefix(QUESTION), 8))

    logprob, _ = await model.log_probability(Prefix(QUESTION), step["text"], "\n\n")

    assert step["logprob"] is not None
    assert logprob == pytest.approx(step["logprob"], abs=1e-3)


async def test_reading_a_text_costs_its_tokens(serve_gguf: Serve, tmp_path: Path) -> None:
    """One request for each token; what the prefix cache holds is counted as such."""
    wire = LlamaCppWire(serve_gguf(write_bigram_model(tmp_path / "cost.gguf")))

    _, spent = await wire.log_probability("b" * 20, "la la la ", "\n\n")

    assert spent["calls"] == 3
    assert spent["prompt_tokens"] == 20 + 21 + 22
    assert spent["prompt_tokens"] - spent["cached_tokens"] == 22


@pytest.mark.parametrize("prompt", ["[merged]", "[cut]"])
async def test_part_of_a_texts_probability_is_not_reported_as_the_whole(
    wire: LlamaCppWire, prompt: str
) -> None:
    """llama.cpp leaves out a token that holds the separator too, and parts of a character."""
    completion = await wire.complete(ask(prompt, logprobs=0))

    assert completion.text in ("half.", "é")
    assert completion.logprob is None


async def test_a_server_that_does_not_report_the_forced_token_is_an_error() -> None:
    """No probability is ever made up."""
    row = {"id": 7, "token": "x", "bytes": [120], "logprob": -1.0, "top_logprobs": []}
    answer = _stopped("limit") | {"completion_probabilities": [row]}
    tokens = {"tokens": [{"id": 1, "piece": "p"}, {"id": 2, "piece": "t"}]}
    async with FakeEndpoint({"/completion": answer, "/tokenize": tokens}) as server:
        opening = {"tokens": []}
        server.script("/tokenize", (200, opening), (200, {"tokens": tokens["tokens"][:1]}))
        with pytest.raises(MalformedResponseError, match="KeyError 2"):
            await LlamaCppWire(server.endpoint).log_probability("p", "t")


async def test_the_server_renders_its_own_template(wire: LlamaCppWire) -> None:
    """B26: the prompt is what this model's own template makes of the conversation."""
    assert await wire.render(QUESTION) == "<|user|>What is 3+4?<eos><|assistant|>"


async def test_the_opening_token_is_never_doubled(serve_gguf: Serve, tmp_path: Path) -> None:
    """B26, gotcha 14: a prompt that brings its own BOS gets no second one from the server."""
    template = "{{ bos_token }}" + TEMPLATE
    model = write_bigram_model(tmp_path / "bos.gguf", bos=True, template=template)
    wire = LlamaCppWire(serve_gguf(model))

    bare = await wire.complete(ask("[empty]"))
    brought = await wire.complete(ask("<bos>[empty]"))

    assert bare.usage["prompt_tokens"] == 2
    assert brought.usage["prompt_tokens"] == 2
    assert await wire.render(QUESTION) == "<|user|>What is 3+4?<eos><|assistant|>"


async def test_a_blank_step_is_asked_once_more(wire: LlamaCppWire) -> None:
    """B6, gotcha 5: a model that opens with the separator is asked again, past it; both count."""
    question = [Message(role="user", content="hi")]
    blank = Prefix(question, [_settled("x[blank]", "length")])

    candidate = await HostedModel(wire).write_step(StepRequest(blank, 8))

    assert (candidate["text"], candidate["ended"]) == ("So 7.", "eos")
    assert candidate["usage"]["calls"] == 2


async def test_every_sampling_parameter_is_explicit() -> None:
    """Gotcha 15: no default of the server leaks in; seeds never hit the one that means random."""
    async with FakeEndpoint(_routes(_stopped("word"))) as server:
        wire = LlamaCppWire(Endpoint(server.url))
        request = CompletionRequest("p", 8, ("\n\n",), Sampling(0.5, 0.9, 40, 0.1, 1.1), 2**32 - 1)
        await wire.complete(request)

    assert server.bodies("/completion") == [
        {
            "prompt": "p",
            "n_predict": 8,
            "stop": ["\n\n"],
            "seed": 0,
            "n_probs": 0,
            "post_sampling_probs": False,
            "cache_prompt": True,
            "stream": False,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "min_p": 0.1,
            "repeat_penalty": 1.1,
            "repeat_last_n": 8192,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "typical_p": 1.0,
            "top_n_sigma": -1.0,
            "dynatemp_range": 0.0,
            "dry_multiplier": 0.0,
            "xtc_probability": 0.0,
            "mirostat": 0,
            "samplers": ["penalties", "top_k", "top_p", "min_p", "temperature"],
        }
    ]


async def test_an_old_server_says_nothing_about_its_cache() -> None:
    """Gotcha 32: without timings, cached tokens are unknown and counted as such."""
    async with FakeEndpoint(_routes(_stopped("eos"))) as server:
        completion = await LlamaCppWire(Endpoint(server.url)).complete(ask("p"))

    assert completion.usage["cached_tokens"] == 0
    assert completion.usage["cache_unreported_calls"] == 1


@pytest.mark.parametrize("kind", ["none", "surprise"])
async def test_an_unknown_end_is_never_taken_for_a_step(kind: str) -> None:
    """An end this protocol does not have raises; nothing is guessed."""
    async with FakeEndpoint(_routes(_stopped(kind))) as server:
        with pytest.raises(MalformedResponseError, match=f"stop_type '{kind}'"):
            await LlamaCppWire(Endpoint(server.url)).complete(ask("p"))


@pytest.mark.parametrize("missing", ["content", "stop_type", "tokens_evaluated"])
async def test_a_missing_field_is_named(missing: str) -> None:
    """An answer without a promised field is a MalformedResponseError that names it."""
    answer = {key: value for key, value in _stopped("eos").items() if key != missing}
    async with FakeEndpoint(_routes(answer)) as server:
        with pytest.raises(MalformedResponseError, match=missing):
            await LlamaCppWire(Endpoint(server.url)).complete(ask("p"))


async def test_a_server_still_loading_is_waited_for() -> None:
    """503 "Loading model" is retried until the model is there."""
    loading = {"code": 503, "message": "Loading model", "type": "unavailable_error"}
    async with FakeEndpoint({"/tokenize": {"tokens": []}}) as server:
        server.script("/completion", (503, {"error": loading}), (200, _stopped("eos")))
        completion = await LlamaCppWire(server.endpoint).complete(ask("p"))

    assert completion.ended == "eos"
    assert len(server.bodies("/completion")) == 2


def _routes(answer: dict[str, object]) -> dict[str, object]:
    return {"/completion": answer, "/tokenize": {"tokens": []}}


def _stopped(kind: str) -> dict[str, object]:
    return {
        "content": "text",
        "stop_type": kind,
        "truncated": False,
        "tokens_evaluated": 5,
        "tokens_predicted": 2,
    }


def _settled(text: str, ended: str) -> Step:
    return Step(
        text=text,
        source="draft",
        reward=0.9,
        accepted=True,
        ended=ended,  # type: ignore[typeddict-item]
        tokens=1,
        ms=0.0,
        rejected_text=None,
    )
