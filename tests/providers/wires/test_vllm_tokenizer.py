"""vLLM beyond completions: rendering through its tokenizer, and the probability of given text."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import (
    CapabilityError,
    Endpoint,
    MalformedResponseError,
    ModelNotFoundError,
    Prefix,
    StepRequest,
)
from rsd_graph.answer.state import Message
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.vllm_answers import SEPARATOR_END, answer

QUESTION = [Message(role="user", content="What is 3+4+5?")]


async def test_the_server_renders_its_own_template() -> None:
    """B26, gotcha 45: /tokenize renders, /detokenize gives the text; both are open by default."""
    async with FakeEndpoint(_rendering("<|im_start|>user ...", [3, 1, 2])) as server:
        wire = VLLMWire(Endpoint(server.url + "/v1", "tiny"))
        first = await wire.render(QUESTION)
        second = await wire.render(QUESTION)

    assert first == second == "<|im_start|>user ..."
    assert server.bodies("/tokenize") == [
        {"model": "tiny", "messages": QUESTION, "add_generation_prompt": True},
        {"model": "tiny", "prompt": "<|im_start|>user ...", "add_special_tokens": False},
        {"model": "tiny", "messages": QUESTION, "add_generation_prompt": True},
    ]


async def test_a_conversation_is_rendered_once() -> None:
    """B24: the prefix of every step is the same rendered text, continued; not a new rendering."""
    routes = {**_rendering("R:", [1]), "/v1/completions": SEPARATOR_END}
    async with FakeEndpoint(routes) as server:
        model = HostedModel(VLLMWire(server.endpoint))
        first = await model.write_step(StepRequest(Prefix(QUESTION), 64))
        await model.write_step(StepRequest(Prefix(QUESTION, [first]), 64))

    assert len(server.bodies("/detokenize")) == 1
    assert [body["prompt"] for body in server.bodies("/v1/completions")] == [
        "R:",
        "R:Step 1: Add 3 and 4. 3+4=7.\n\n",
    ]


async def test_a_tokenizer_that_cannot_be_reversed_is_refused() -> None:
    """A rendered text that reads as other tokens would silently shift the model's input."""
    routes = _rendering("R", [1, 2])
    async with FakeEndpoint(routes) as server:
        server.script("/tokenize", (200, {"tokens": [1, 2]}), (200, {"tokens": [1, 9, 2]}))
        with pytest.raises(CapabilityError, match="chat template"):
            await VLLMWire(server.endpoint).render(QUESTION)


async def test_a_server_without_tokenize_points_to_local_templates() -> None:
    """The hint of the 404 says how to render without the server."""
    async with FakeEndpoint() as server:
        with pytest.raises(ModelNotFoundError, match=r"ChatTemplate\.load"):
            await VLLMWire(server.endpoint).render(QUESTION)


async def test_a_local_template_needs_no_server() -> None:
    """With a template of its own, rendering asks nobody."""
    template = ChatTemplate.load({"chat_template": "{{ messages[0]['content'] }}|"})

    rendered = await VLLMWire(Endpoint("http://127.0.0.1:1"), template).render(QUESTION)

    assert rendered == "What is 3+4+5?|"


async def test_the_probability_of_given_text() -> None:
    """Gotchas 19, 20: ids are sent, cut by the prefix's own length; the ending is not scored."""
    rows = [None, _row(5, "p", -9.0), _row(6, "a", -1.0), _row(7, "b", -0.5), _row(8, "\n\n", -4.0)]
    async with FakeEndpoint({"/v1/completions": answer(prompt_logprobs=rows)}) as server:
        server.script("/tokenize", (200, {"tokens": [4, 5]}), (200, {"tokens": [4, 5, 6, 7, 8]}))
        logprob, spent = await VLLMWire(server.endpoint).log_probability("pp", "ab", "\n\n")

    assert logprob == -1.5
    assert spent["prompt_tokens"] == 37
    (body,) = server.bodies("/v1/completions")
    assert (body["prompt"], body["prompt_logprobs"], body["max_tokens"]) == ([4, 5, 6, 7, 8], 0, 1)
    assert [b["prompt"] for b in server.bodies("/tokenize")] == ["pp", "ppab\n\n"]


async def test_a_token_across_the_prefixs_end_is_scored_whole() -> None:
    """Where prefix ids are no prefix of the whole, scoring starts at the first that differs."""
    rows = [None, _row(9, "pa", -2.0), _row(7, "b", -0.5)]
    async with FakeEndpoint({"/v1/completions": answer(prompt_logprobs=rows)}) as server:
        server.script("/tokenize", (200, {"tokens": [4, 5]}), (200, {"tokens": [4, 9, 7]}))
        logprob, _ = await VLLMWire(server.endpoint).log_probability("pp", "abc")

    assert logprob == -2.5


async def test_missing_prompt_log_probabilities_are_malformed() -> None:
    """B14: fewer rows than tokens is an error, never a shorter sum."""
    async with FakeEndpoint({"/v1/completions": answer(prompt_logprobs=[None])}) as server:
        server.script("/tokenize", (200, {"tokens": [4]}), (200, {"tokens": [4, 5]}))
        with pytest.raises(MalformedResponseError):
            await VLLMWire(server.endpoint).log_probability("p", "a")


def _rendering(text: str, ids: list[int]) -> dict[str, Any]:
    return {"/tokenize": {"tokens": ids}, "/detokenize": {"prompt": text}}


def _row(token_id: int, text: str, logprob: float) -> dict[str, Any]:
    return {str(token_id): {"logprob": logprob, "rank": 1, "decoded_token": text}}
