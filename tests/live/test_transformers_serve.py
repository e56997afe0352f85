"""The real `transformers serve`, against the real llama.cpp: same model, same greedy answers."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rsd_graph import BadRequestError, Endpoint, Sampling, step_model
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import Problem
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.transformers_serve import TransformersServeWire
from tests.live.answers import PROBLEMS, answer, outline

pytestmark = pytest.mark.live


@pytest.fixture
def model(transformers_servers: Mapping[str, Endpoint]) -> HostedModel:
    return _hosted(transformers_servers["draft"])


def _hosted(endpoint: Endpoint) -> HostedModel:
    template = ChatTemplate.load(MODELS / "draft")
    return HostedModel(TransformersServeWire(endpoint, template=template))


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.question.split(".")[0])
async def test_greedy_answers_are_those_of_llamacpp(model: HostedModel, problem: Problem) -> None:
    """Text, ends and token counts are the same, step by step."""
    llamacpp = step_model("embedded:draft", "draft")

    assert outline(await answer(model, problem.question)) == outline(
        await answer(llamacpp, problem.question)
    )


@pytest.mark.parametrize("sampling", [Sampling(1.0, top_k=1), Sampling(1.0, min_p=1.0)])
async def test_sampling_reaches_the_model(model: HostedModel, sampling: Sampling) -> None:
    """top_k=1 and min_p=1 leave one token at any temperature: the greedy answer."""
    question = PROBLEMS[0].question

    assert outline(await answer(model, question, sampling)) == outline(
        await answer(model, question)
    )


async def test_a_seed_repeats_a_sampled_answer(model: HostedModel) -> None:
    """The same seeds write the same answers, and different ones do not: sampling is really on."""
    question, hot = PROBLEMS[0].question, Sampling(temperature=2.0)

    first = [outline(await answer(model, question, hot, seed)) for seed in range(4)]
    second = [outline(await answer(model, question, hot, seed)) for seed in range(4)]

    assert first == second
    assert any(other != first[0] for other in first)


async def test_the_server_refuses_another_models_name(
    transformers_servers: Mapping[str, Endpoint],
) -> None:
    """It is pinned to the path it was started with, and says so."""
    stranger = _hosted(Endpoint(transformers_servers["draft"].url, "another"))

    with pytest.raises(BadRequestError, match="pinned to"):
        await answer(stranger, "Hi")
