"""Servers nobody told us more about: the real llama.cpp's OpenAI route, and replayed dialects.

What the fake replays (stop_reason, matched_stop, the separator in the text) was not run against
the servers that talk so.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rsd_graph.answer.state import Message
from rsd_graph.errors import CapabilityError, ConfigurationError, MalformedResponseError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.templates import ChatTemplate
from tests.conftest import Serve
from tests.helpers.bigram import write_bigram_model
from tests.helpers.fake_servers.openai_compatible import FakeOpenAICompatible
from tests.helpers.fake_servers.serving import EOS

QUESTION = [Message(role="user", content="What is 3 + 4?")]
LLAMA = ChatTemplate(
    "{{ bos_token }}[INST] {{ messages[0].content }} [/INST]", {"bos_token": "<s>"}
)


def wire(server: FakeOpenAICompatible, **options: object) -> OpenAICompatibleWire:
    return OpenAICompatibleWire(Endpoint(server.url + "/v1", "m"), **options)  # type: ignore[arg-type]


def ask(**options: object) -> CompletionRequest:
    return CompletionRequest("A B", 64, ("\n\n",), **options)  # type: ignore[arg-type]


async def test_an_ambiguous_end_is_refused_with_its_reason(llamacpp_server: Endpoint) -> None:
    """Gotcha 3: the real llama.cpp says "stop" for both ends; guessing wrong would end answers
    half-way, or never.
    """
    wire = OpenAICompatibleWire(llamacpp_server)

    with pytest.raises(CapabilityError, match="both end-of-text and the separator") as caught:
        await wire.complete(replace(ask(), prompt="<|assistant|>"))

    assert 'ends="ask-again"' in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "text", "ended"),
    [
        ("<|assistant|>", "First, 3+4=7.", "separator"),
        ("First, 3+4=7.\n\n", "So 7.", "eos"),
        ("[blank]", "", "separator"),
        ("[turn]", "", "eos"),
    ],
)
async def test_asking_the_real_llamacpp_again(
    llamacpp_server: Endpoint, prompt: str, text: str, ended: str
) -> None:
    """The heuristic gives what llama.cpp's own route reports for a greedy run."""
    wire = OpenAICompatibleWire(llamacpp_server, ends="ask-again")

    completion = await wire.complete(replace(ask(), prompt=prompt))

    assert (completion.text, completion.ended) == (text, ended)


@pytest.mark.parametrize(("bos", "prompt"), [(True, "hi"), (False, "<bos>hi")])
async def test_the_real_llamacpp_is_measured_for_its_bos(
    serve_gguf: Serve, tmp_path: Path, bos: bool, prompt: str
) -> None:
    """Gotcha 14: the BOS of a template is cut if, and only if, the server adds its own."""
    server = serve_gguf(write_bigram_model(tmp_path / "model.gguf", bos=bos))
    template = ChatTemplate("{{ bos_token }}hi", {"bos_token": "<bos>"})

    assert await OpenAICompatibleWire(server, template=template).render(QUESTION) == prompt


@pytest.mark.parametrize("dialect", ["include", "vllm", "sglang"])
async def test_a_server_that_tells_is_believed(dialect: str) -> None:
    """Gotcha 37: by the separator in the text, by stop_reason or by matched_stop."""
    async with FakeOpenAICompatible(["One.", "\n\n"], dialect=dialect) as server:
        completion = await wire(server).complete(ask())

    assert (completion.text, completion.ended) == ("One.", "separator")


@pytest.mark.parametrize(("dialect", "eos"), [("vllm", None), ("vllm", 151643), ("sglang", 2)])
async def test_an_eos_that_is_told_is_believed(dialect: str, eos: int | None) -> None:
    """Gotcha 1: stop_reason is null or an id, matched_stop an id."""
    async with FakeOpenAICompatible(["7", EOS], dialect=dialect, eos=eos) as server:
        completion = await wire(server).complete(ask())

    assert (completion.text, completion.ended) == ("7", "eos")


async def test_a_length_needs_no_discriminator() -> None:
    """It means the same everywhere."""
    async with FakeOpenAICompatible(["a"] * 64) as server:
        completion = await wire(server).complete(ask())

    assert completion.ended == "length"


async def test_without_stop_strings_a_stop_is_the_end() -> None:
    """There is nothing else it could be."""
    async with FakeOpenAICompatible(["7", EOS]) as server:
        completion = await wire(server).complete(CompletionRequest("A B", 64))

    assert completion.ended == "eos"


@pytest.mark.parametrize(("then", "ended"), [([EOS], "eos"), (["\n\n"], "separator")])
async def test_asking_again_is_greedy_short_and_counted(then: list[str], ended: str) -> None:
    """The heuristic asks for one token after the text, and its cost is in the usage."""
    async with FakeOpenAICompatible(["One.", "\n\n"], then) as server:
        completion = await wire(server, ends="ask-again").complete(
            ask(sampling=Sampling(temperature=0.7))
        )

    probe = server.bodies("/v1/completions")[1]
    assert (completion.text, completion.ended) == ("One.", ended)
    assert (probe["prompt"], probe["max_tokens"], probe["temperature"]) == ("A BOne.", 1, 0.0)
    assert "stop" not in probe
    assert (completion.usage["calls"], completion.usage["completion_tokens"]) == (2, 3)


async def test_openais_fields_are_all_sent_and_others_if_they_matter() -> None:
    """A strict server sees no field it cannot know, unless the run needs it."""
    async with FakeOpenAICompatible(["7", EOS], dialect="vllm") as server:
        await wire(server, extra={}).complete(ask(sampling=Sampling(1.0, top_k=20), seed=5))

    assert server.bodies("/v1/completions")[0] == {
        "model": "m",
        "prompt": "A B",
        "max_tokens": 64,
        "stop": ["\n\n"],
        "seed": 5,
        "temperature": 1.0,
        "top_p": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "top_k": 20,
    }


async def test_rendering_needs_a_template() -> None:
    """No route renders everywhere, and no template is ever guessed."""
    async with FakeOpenAICompatible() as server:
        with pytest.raises(CapabilityError, match="chat template"):
            await wire(server).render(QUESTION)


@pytest.mark.parametrize(
    ("adds_bos", "prompt"),
    [(True, "[INST] What is 3 + 4? [/INST]"), (False, "<s>[INST] What is 3 + 4? [/INST]")],
)
async def test_the_bos_token_never_comes_twice(adds_bos: bool, prompt: str) -> None:
    """Gotcha 14: whether the server adds one is measured once, by counting the BOS alone."""
    async with FakeOpenAICompatible([EOS]) as server:
        server.adds_bos = adds_bos
        model = wire(server, template=LLAMA)

        assert [await model.render(QUESTION), await model.render(QUESTION)] == [prompt, prompt]

    assert [body["prompt"] for body in server.bodies("/v1/completions")] == ["<s>"]


async def test_an_answer_without_usage_is_malformed() -> None:
    """Budgets and costs would silently stop to hold."""
    async with FakeOpenAICompatible(["7", EOS]) as server:
        answer = {"choices": [{"text": "7", "finish_reason": "length"}]}
        server.script("/v1/completions", (200, answer))
        with pytest.raises(MalformedResponseError, match="usage"):
            await wire(server).complete(ask())


def test_a_misspelt_choice_of_ends_is_refused() -> None:
    """It is never taken for consent to the heuristic."""
    with pytest.raises(ConfigurationError, match="ask-again"):
        OpenAICompatibleWire(Endpoint("http://127.0.0.1:1"), ends="ask_again")  # type: ignore[arg-type]


async def test_log_probabilities_that_are_left_out_are_an_error() -> None:
    """Nothing is silently ignored: a proxy that drops the field is named."""
    async with FakeOpenAICompatible(["So 7.", EOS]) as server:
        with pytest.raises(CapabilityError, match="asked for log-probabilities and reported none"):
            await wire(server).complete(ask(logprobs=5))
