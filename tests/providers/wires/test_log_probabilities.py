"""Every protocol that has log-probabilities brings them to the candidate.

llama.cpp's are real, in `tests/embedded`; the other servers here are fakes of their sources.
"""

from __future__ import annotations

import math

import pytest

from rsd_graph import CapabilityError, Prefix, StepRequest
from rsd_graph.answer.state import Candidate, Certainty, Message
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.ollama import OllamaWire
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.sglang import SGLangWire
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.tgi import TGIWire
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.fake_servers.sglang import FakeSGLang
from tests.helpers.fake_servers.tgi import FakeTGI
from tests.helpers.vllm_answers import answer

PLAIN = ChatTemplate("{{ messages[0].content }}", {})
LOGPROBS = {
    "tokens": ["7", "+8", "\n\n"],
    "token_logprobs": [-0.5, -1.5, -9.0],
    "top_logprobs": [{"7": -0.5}, {"+8": -1.5}, {"\n\n": -9.0}],
}
FIRST = math.exp(-0.5)
ENTROPY = 0.5 * FIRST - (1 - FIRST) * math.log(1 - FIRST)


async def step_of(model: HostedModel) -> Candidate:
    question = [Message(role="user", content="A B")]
    return await model.write_step(StepRequest(Prefix(question), 8))


@pytest.mark.parametrize("openai", [False, True])
async def test_completions_routes(openai: bool) -> None:
    """vLLM's, and that of any server that speaks like it; five rivals are asked for."""
    said = answer(text="7+8", logprobs=LOGPROBS, stop_reason="\n\n")
    async with FakeEndpoint({"/v1/completions": said}) as server:
        kind = OpenAICompatibleWire if openai else VLLMWire
        step = await step_of(HostedModel(kind(server.endpoint, template=PLAIN), logprobs=True))

    assert [body["logprobs"] for body in server.bodies("/v1/completions")] == [5]
    assert step["logprob"] == -2.0
    assert step["certainty"] == pytest.approx(
        dict(Certainty(tokens=2, mean=-1.0, lowest=-1.5, first_entropy=ENTROPY))
    )


async def test_sglang_and_tgi() -> None:
    """Each in its own words."""
    async with FakeSGLang(["7", "+8", "\n\n"]) as server:
        sglang = await step_of(HostedModel(SGLangWire(Endpoint(server.url, "m")), logprobs=True))
    async with FakeTGI(["7", " + 8", "\n\n"]) as server:
        tgi = await step_of(HostedModel(TGIWire(Endpoint(server.url)), logprobs=True))

    assert (sglang["logprob"], sglang["certainty"]["lowest"]) == (-0.5, -0.5)
    assert (tgi["logprob"], tgi["certainty"]["tokens"]) == (-1.0, 2)


async def test_a_server_without_them_is_refused() -> None:
    """Rather than answered for."""
    ollama = OllamaWire(Endpoint("http://h", "m"), template=PLAIN, ends="ask-again")

    with pytest.raises(CapabilityError, match="not read from Ollama"):
        await step_of(HostedModel(ollama, logprobs=True))
