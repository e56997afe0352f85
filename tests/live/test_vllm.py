"""The real vLLM 0.32 on CPU: how steps end, what is counted, and what it refuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping

import httpx2
import pytest

from rsd_graph import (
    ContextOverflowError,
    Endpoint,
    ModelNotFoundError,
    Prefix,
    Sampling,
    StepRequest,
    candidate,
    reward_model,
    step_model,
)
from rsd_graph.answer.state import Message
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import Problem
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.vllm import VLLMWire
from rsd_graph.stacks.doctor import SHIPPED
from tests.live.answers import PROBLEMS, answer, outline
from tests.live.servers import CONTEXT

pytestmark = pytest.mark.live

QUESTION = PROBLEMS[0].question
CONVERSATION = [Message(role="user", content=QUESTION)]


@pytest.fixture
def wire(vllm_servers: Mapping[str, Endpoint]) -> VLLMWire:
    return VLLMWire(vllm_servers["target"])


@pytest.mark.parametrize("role", ["draft", "target"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.question.split(".")[0])
async def test_greedy_answers_are_those_of_llamacpp(
    vllm_servers: Mapping[str, Endpoint], role: str, problem: Problem
) -> None:
    """Text, ends and token counts are the same, step by step."""
    vllm = HostedModel(VLLMWire(vllm_servers[role]))
    llamacpp = step_model(f"embedded:{role}", "draft")

    assert outline(await answer(vllm, problem.question)) == outline(
        await answer(llamacpp, problem.question)
    )


async def test_rewards_are_those_of_llamacpp(vllm_servers: Mapping[str, Endpoint]) -> None:
    """Right and wrong steps alike, to 0.01."""
    vllm = reward_model(f"recompute+vllm+{vllm_servers['prm']}")
    llamacpp = reward_model("embedded:prm")
    prefix = Prefix([Message(role="user", content=SHIPPED.question)])
    steps = [candidate(SHIPPED.good), candidate(SHIPPED.bad), candidate("Monday loses 33.")]

    there = [(await vllm.score(prefix, [step])).rewards[0] for step in steps]
    here = [(await llamacpp.score(prefix, [step])).rewards[0] for step in steps]

    assert there == pytest.approx(here, abs=1e-2)


async def test_the_server_renders_the_models_own_template(wire: VLLMWire) -> None:
    """/tokenize and /detokenize give what the template gives."""
    template = ChatTemplate.load(MODELS / "target")

    assert await wire.render(CONVERSATION) == template.render(CONVERSATION)


async def test_all_the_ways_a_step_ends(wire: VLLMWire) -> None:
    """Separator, end of text, our own budget, and a prompt beyond the model's context."""
    prompt = await wire.render(CONVERSATION)
    steps = await answer(HostedModel(wire), QUESTION)

    cut = await wire.complete(CompletionRequest(prompt, max_tokens=3, stop=("\n\n",)))

    assert [step["ended"] for step in steps] == ["separator"] * (len(steps) - 1) + ["eos"]
    assert (cut.ended, cut.usage["completion_tokens"]) == ("length", 3)
    with pytest.raises(ContextOverflowError):
        await wire.complete(CompletionRequest("1 " * CONTEXT + prompt, 8))


async def test_a_context_filled_to_the_brim_ends_in_context(wire: VLLMWire) -> None:
    """vLLM clamps max_tokens to the room that is left, and calls that "length"."""
    prompt = await wire.render(CONVERSATION)
    while (tokens := await _tokens(wire, prompt)) < CONTEXT - 8:
        prompt += "1 2 " * max(1, (CONTEXT - 8 - tokens) // 8)
    room, hot = CONTEXT - tokens, Sampling(temperature=2.0)

    completions = [
        await wire.complete(CompletionRequest(prompt, max_tokens=64, sampling=hot, seed=seed))
        for seed in range(8)
    ]

    ends = {(c.ended, c.usage["completion_tokens"]) for c in completions}
    assert ("context", room) in ends
    assert {ended for ended, _ in ends} <= {"context", "eos"}


async def _tokens(wire: VLLMWire, text: str) -> int:
    body = {"prompt": text, "add_special_tokens": False}
    return int((await Client(wire.endpoint).post("/tokenize", body, dict))["count"])


async def test_a_sampled_answer_repeats_with_its_seed(wire: VLLMWire) -> None:
    """Same seed, same answer; other seeds, others. 63-bit seeds are taken."""
    model, hot = HostedModel(wire), Sampling(temperature=2.0)
    seeds = [1, 2, 3, 2**63 - 1]

    first = [outline(await answer(model, QUESTION, hot, seed)) for seed in seeds]
    second = [outline(await answer(model, QUESTION, hot, seed)) for seed in seeds]

    assert first == second
    assert any(other != first[0] for other in first)


async def test_generated_and_given_text_are_equally_probable(wire: VLLMWire) -> None:
    """What a step reports while it is written is what it scores when it is read back."""
    model = HostedModel(wire, logprobs=True)
    step = await model.write_step(StepRequest(Prefix(CONVERSATION), max_tokens=64))

    read_back, spent = await model.log_probability(Prefix(CONVERSATION), step["text"], "\n\n")

    assert read_back == pytest.approx(step["logprob"], abs=1e-3)
    assert spent["completion_tokens"] == 1


async def test_an_unknown_model_is_named(vllm_servers: Mapping[str, Endpoint]) -> None:
    """404 with vLLM's own words."""
    model = HostedModel(VLLMWire(Endpoint(vllm_servers["target"].url, "nope")))

    with pytest.raises(ModelNotFoundError, match="nope"):
        await answer(model, QUESTION)


async def test_a_generating_server_has_no_pooling(vllm_servers: Mapping[str, Endpoint]) -> None:
    """The wrong PRM family is an error with a hint, not a reward."""
    prm = reward_model(f"qwen-prm+vllm+{vllm_servers['target']}")

    with pytest.raises(ModelNotFoundError):
        await prm.score(Prefix(CONVERSATION), [candidate("x")])


async def test_cancelling_stops_the_server(wire: VLLMWire) -> None:
    """Cancelled requests are dropped in vLLM: a later one need not wait for their end.

    They are many more than it works on at once: when the first is answered, most have not begun.
    """
    client, root = Client(wire.endpoint), wire.endpoint.root
    finished = await _metric(root, "request_success_total")
    body = {"model": wire.endpoint.model, "prompt": "1", "ignore_eos": True}
    tasks = [
        asyncio.create_task(
            client.post("/v1/completions", {**body, "max_tokens": CONTEXT - 8, "seed": seed}, dict)
        )
        for seed in range(128)
    ]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.post("/v1/completions", {**body, "max_tokens": 1}, dict)

    assert await _metric(root, "request_success_total") - finished < len(tasks) / 2


async def _metric(root: str, name: str) -> float:
    """One of vLLM's metrics, summed over its labels."""
    async with httpx2.AsyncClient() as client:
        text = (await client.get(f"{root}/metrics")).text
    found = re.findall(rf"^vllm:{name}\{{.*\}} (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))
