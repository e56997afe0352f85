"""What servers tell of themselves, each in its own words."""

from __future__ import annotations

import pytest
from langchain_core.language_models import FakeListChatModel

from rsd_graph import Endpoint, ModelNotFoundError
from rsd_graph.providers.facts import Described, ServerFacts, describe
from rsd_graph.providers.prm import (
    RECOMPUTE,
    SKYWORK,
    PoolingPRM,
    TokenProbabilityPRM,
    TokenRowsPRM,
)
from rsd_graph.providers.prm.outcome import OutcomeRM, tei
from rsd_graph.providers.wires.chat import ChatStepModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.ollama import OllamaWire
from rsd_graph.providers.wires.openai_compatible import OpenAICompatibleWire
from rsd_graph.providers.wires.sglang import SGLangWire
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.tgi import TGIWire
from rsd_graph.providers.wires.transformers_serve import TransformersServeWire
from rsd_graph.providers.wires.vllm import VLLMWire
from tests.helpers.bigram import CONTEXT
from tests.helpers.fake_endpoint import FakeEndpoint

TEMPLATE = ChatTemplate("{{ messages[-1]['content'] }}", {"bos_token": "<s>"})
CARDS = {"data": [{"id": "base", "max_model_len": 4096}, {"id": "math", "max_model_len": 2048}]}
"""GET /v1/models of vLLM (entrypoints/openai/models/serving.py:66) and SGLang."""


def named(server: FakeEndpoint, model: str = "") -> Endpoint:
    return Endpoint(f"{server.url}/v1", model)


@pytest.mark.parametrize("kind", [VLLMWire, SGLangWire, PoolingPRM, OutcomeRM, ChatStepModel])
async def test_v1_models_lists_names_and_lengths(kind: type) -> None:
    """The length is that of the model the endpoint names."""
    async with FakeEndpoint({"/v1/models": CARDS}) as server:
        facts = await describe(kind(named(server, "math")))

    assert facts == ServerFacts(models=("base", "math"), context_length=2048)


async def test_prms_tell_what_their_servers_tell() -> None:
    """By token rows or token probabilities, the server is the same."""
    async with FakeEndpoint({"/v1/models": CARDS}) as server:
        rows = await describe(TokenRowsPRM(named(server), SKYWORK))
        probability = await describe(TokenProbabilityPRM(VLLMWire(named(server)), RECOMPUTE))

    assert rows == probability == ServerFacts(models=("base", "math"), context_length=4096)


async def test_llamacpp_tells_its_slots_and_its_sampling(llamacpp_server: Endpoint) -> None:
    """The real server: the context of one slot, and defaults that are far from neutral."""
    facts = await LlamaCppWire(llamacpp_server).describe()

    assert facts.context_length == CONTEXT
    assert len(facts.models) == 1
    assert facts.defaults == pytest.approx(
        {"temperature": 0.8, "top_k": 40.0, "top_p": 0.95, "min_p": 0.05}
    )


async def test_llamacpp_tells_its_context_on_the_openai_route_too(
    llamacpp_server: Endpoint,
) -> None:
    """A model nobody told us more about may still be a llama.cpp."""
    facts = await OpenAICompatibleWire(llamacpp_server, template=TEMPLATE).describe()

    assert (facts.context_length, facts.bos) == (CONTEXT, "<s>")


async def test_tgi_tells_one_model_and_its_total() -> None:
    """GET /info (router/src/server.rs of commit db931fcf), which asks for no key."""
    info = {"model_id": "Qwen/Q", "max_input_tokens": 4095, "max_total_tokens": 4096}
    async with FakeEndpoint({"/info": info}) as server:
        facts = await TGIWire(named(server)).describe()

    assert facts == ServerFacts(models=("Qwen/Q",), context_length=4096)


async def test_tei_tells_one_model_and_its_longest_input() -> None:
    """GET /info of Text Embeddings Inference 1.9."""
    info = {"model_id": "Skywork/R", "max_input_length": 8192}
    async with FakeEndpoint({"/info": info}) as server:
        facts = await tei(named(server)).describe()

    assert facts == ServerFacts(models=("Skywork/R",), context_length=8192)


async def test_ollama_tells_its_modelfile() -> None:
    """POST /api/show: the context asked for, never more than was trained, and the sampling."""
    shown = {
        "model_info": {"general.architecture": "qwen2", "qwen2.context_length": 4096},
        "parameters": 'stop                           "<|im_end|>"\n'
        "temperature                    0.6\nrepeat_penalty                 1.1\nmin_p  0\n",
    }
    async with FakeEndpoint({"/api/show": shown}) as server:
        long = await OllamaWire(named(server, "q")).describe()
        short = await OllamaWire(named(server, "q"), num_ctx=1024, template=TEMPLATE).describe()

    assert long == ServerFacts(("q",), 4096, {"temperature": 0.6, "repeat_penalty": 1.1})
    assert (short.context_length, short.bos) == (1024, "<s>")
    assert server.bodies("/api/show") == [{"model": "q"}] * 2


async def test_transformers_serve_tells_only_that_it_is_there() -> None:
    """Its list of models does not name the one it serves (cli/serving/server.py)."""
    async with FakeEndpoint({"/health": {"status": "ok"}}) as server:
        facts = await TransformersServeWire(named(server), template=TEMPLATE).describe()

    assert facts == ServerFacts(bos="<s>")


async def test_a_server_without_the_route_is_an_error() -> None:
    """Not telling is not the same as telling nothing."""
    async with FakeEndpoint() as server:
        with pytest.raises(ModelNotFoundError):
            await VLLMWire(server.endpoint).describe()


async def test_models_without_an_address_tell_nothing() -> None:
    """A LangChain model knows its own endpoint; a function has none."""
    model = ChatStepModel(FakeListChatModel(responses=[]))

    assert isinstance(model, Described)
    assert (await describe(model), model.endpoint) == (ServerFacts(), None)
    assert await describe(object()) == ServerFacts()
