"""The real `transformers serve`, against the real llama.cpp: same model, same greedy answers.

Needs `pip install 'transformers[serving]' torch` somewhere: `RSD_LIVE_TRANSFORMERS` names the
`transformers` command to start, where it is not on the PATH.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import httpx2
import pytest
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

import rsd_graph
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import BadRequestError
from rsd_graph.providers.base import Prefix, Sampling, StepModel, StepRequest
from rsd_graph.providers.completion import HostedModel
from rsd_graph.providers.endpoint import Endpoint
from rsd_graph.providers.llamacpp import LlamaCppWire
from rsd_graph.providers.templates import ChatTemplate
from rsd_graph.providers.transformers_serve import TransformersServeWire
from rsd_graph.state import Candidate, Message
from tests.conftest import Serve

pytestmark = pytest.mark.live

MODELS = Path(str(files(rsd_graph))) / "embedded" / "models"
COMMAND = os.environ.get("RSD_LIVE_TRANSFORMERS") or shutil.which("transformers")
PROBLEMS = held_out_problems(5)
GREEDY = Sampling()


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The shipped draft, served on loopback for this module."""
    if COMMAND is None:
        pytest.skip("no `transformers` command")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = str(MODELS / "draft")
    home = {"HF_HOME": str(tmp_path_factory.mktemp("hf")), "HF_HUB_OFFLINE": "1"}
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    server = subprocess.Popen([COMMAND, "serve", model, *options], env={**os.environ, **home})
    try:
        _wait_for(f"http://127.0.0.1:{port}/health")
        yield Endpoint(f"http://127.0.0.1:{port}/v1", model)
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str) -> None:
    ready = retry_if_exception_type(httpx2.TransportError)
    for attempt in Retrying(stop=stop_after_delay(120), wait=wait_fixed(0.5), retry=ready):
        with attempt:
            httpx2.get(url).raise_for_status()


@pytest.fixture
def model(endpoint: Endpoint) -> HostedModel:
    return HostedModel(_wire(endpoint))


def _wire(endpoint: Endpoint) -> TransformersServeWire:
    return TransformersServeWire(endpoint, template=ChatTemplate.load(MODELS / "draft"))


async def answer(
    model: StepModel, question: str, sampling: Sampling = GREEDY, seed: int = 0
) -> list[Candidate]:
    """Steps up to the end of the answer, at most 12."""
    conversation, steps = [Message(role="user", content=question)], list[Candidate]()
    while len(steps) < 12 and (not steps or steps[-1]["ended"] == "separator"):
        prefix = Prefix(conversation, list(steps))
        steps.append(await model.write_step(StepRequest(prefix, 64, sampling, seed)))
    return steps


def outline(steps: list[Candidate]) -> list[tuple[str, str, int, int]]:
    """What both servers must agree on, token counts included."""
    return [
        (s["text"], s["ended"], s["usage"]["prompt_tokens"], s["usage"]["completion_tokens"])
        for s in steps
    ]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda p: p.question.split(".")[0])
async def test_greedy_answers_are_those_of_llamacpp(
    model: HostedModel, serve_gguf: Serve, problem: object
) -> None:
    """Text, ends and token counts are the same, step by step."""
    question = problem.question  # type: ignore[attr-defined]
    llamacpp = HostedModel(LlamaCppWire(serve_gguf(MODELS / "draft.gguf")))

    assert outline(await answer(model, question)) == outline(await answer(llamacpp, question))


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


async def test_the_server_refuses_another_models_name(endpoint: Endpoint) -> None:
    """It is pinned to the path it was started with, and says so."""
    stranger = HostedModel(_wire(Endpoint(endpoint.url, "another")))

    with pytest.raises(BadRequestError, match="pinned to"):
        await answer(stranger, "Hi")
