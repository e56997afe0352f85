"""The shipped models that think, on vLLM and on llama.cpp: the same thoughts, the same answers.

Half of the drafts are rejected by a coin that falls alike everywhere, so that both models think.
The PRM, whose rewards decide nothing here, stays with llama.cpp; `test_same_answers.py` has one on
vLLM.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ChatRSD, HostedModel, constant
from rsd_graph.embedded.engine import MODELS
from rsd_graph.lab.experiment import THINKING
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from tests.live.answers import PROBLEMS
from tests.live.conftest import together
from tests.live.servers import vllm

pytestmark = pytest.mark.live

LONG = ("--max-model-len", "1024")


@pytest.fixture(scope="module")
def on_vllm(venvs: Path, logs: Path) -> Iterator[Mapping[str, str]]:
    """Draft and target, each on a vLLM of its own."""
    servers = {
        role: vllm(venvs / "vllm", MODELS / f"thinking-{role}", logs, name=f"t-{role}", more=LONG)
        for role in ("draft", "target")
    }
    for endpoints in together(servers):
        yield {**THINKING, **{role: f"vllm+{at}" for role, at in endpoints.items()}}


def thinker(models: Mapping[str, str], **options: Any) -> ChatRSD:
    """A chat model that thinks, greedily, and whose drafts a coin accepts."""
    coin = {"accept": constant(0.5), "seed": 1, "max_step_tokens": 64, "max_steps": 32}
    return ChatRSD(**{**models, "thinking": "on", **coin, **options})


def told(message: Any) -> tuple[str, str, list[tuple[str, str, str, str]]]:
    """Content, reasoning, and of each step who wrote what, in which phase, and how it ended."""
    steps = [
        (step["phase"], step["source"], step["text"], step["ended"])
        for step in message.response_metadata["rsd"]["steps"]
    ]
    return message.text, message.additional_kwargs["reasoning_content"], steps


async def test_vllm_thinks_as_llamacpp(on_vllm: Mapping[str, str]) -> None:
    """The same blocks of reasoning and the same contents; no marker is in either."""
    for problem in PROBLEMS:
        here = await thinker(THINKING).ainvoke(problem.question)
        there = await thinker(on_vllm).ainvoke(problem.question)

        assert told(there) == told(here)
        assert there.content_blocks[0]["type"] == "reasoning"
        assert "think>" not in there.text + there.additional_kwargs["reasoning_content"]
        assert {source for _, source, _, _ in told(here)[2]} == {"draft", "target"}


async def test_a_budget_closes_the_thinking_on_the_wire(
    on_vllm: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After two steps both models are asked behind the closing marker, and nothing is thought."""
    prompts: list[str] = []
    complete = HostedModel.complete

    async def watched(model: HostedModel, request: CompletionRequest) -> Completion:
        prompts.append(request.prompt)
        return await complete(model, request)

    monkeypatch.setattr(HostedModel, "complete", watched)

    message = await thinker(on_vllm, max_thinking_steps=2).ainvoke(PROBLEMS[0].question)

    phases = [phase for phase, *_ in told(message)[2]]
    thought = message.additional_kwargs["reasoning_content"]
    assert phases[:3] == ["thinking", "thinking", "answer"]
    assert message.response_metadata["rsd"]["thinking"]["finish"] == "forced"
    assert any(prompt.endswith(f"<think>\n{thought}\n</think>\n\n") for prompt in prompts)
    assert "think>" not in message.text
