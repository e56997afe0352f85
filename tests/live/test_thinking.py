"""The shipped models that think, on vLLM and on llama.cpp: the same thoughts, the same answers.

Where it is not said who judges, half of the drafts are rejected by a coin that falls alike
everywhere, so that both models think.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ChatRSD, HostedModel, constant
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import extract_answer
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.experiment import THINKING, Experiment
from rsd_graph.providers.wires.completion import Completion, CompletionRequest
from tests.live.answers import PROBLEMS
from tests.live.conftest import together
from tests.live.servers import vllm

pytestmark = pytest.mark.live

LONG = ("--max-model-len", "1024")
VERDICTS = (
    *("rsd:0.98", "verdict:0.95:so-far:product,prm", "verdict:0.98:capped:0.2,prm"),
    *("verdict:0.95:free:mean", "verdict:0.6:free:lowest", "verdict:0.8:free:first"),
    *("verdict:0.95:cascade:0.2,0.9,free:lowest,prm", "verdict:0.95:doubt+target"),
    *("verdict:0.9:doubt+draft", "confspec:0.3:0.98:0.95:doubt"),
    "phases:0.6:0.97:by-phase:free:lowest,prm",
)
"""Each accepts some of the drafts and rejects others."""


@pytest.fixture(scope="module")
def on_vllm(venvs: Path, logs: Path) -> Iterator[Mapping[str, str]]:
    """All three, each on a vLLM of its own."""
    servers = {
        role: vllm(venvs / "vllm", MODELS / f"thinking-{role}", logs, name=f"t-{role}", more=LONG)
        for role in THINKING
    }
    for endpoints in together(servers):
        models = {role: f"vllm+{at}" for role, at in endpoints.items()}
        yield {**models, "prm": f"recompute+{models['prm']}"}


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


@pytest.mark.parametrize("name", VERDICTS)
async def test_a_verdict_decides_as_on_llamacpp(name: str, on_vllm: Mapping[str, str]) -> None:
    """Every verdict of the line, by its arm: the same steps by the same models, asked as often."""
    here, there = (verdicts(name, models) for models in (THINKING, on_vllm))

    for problem in PROBLEMS:
        expected = await here.solve(problem.question, 0)
        found = await there.solve(problem.question, 0)

        assert written(found) == written(expected)


def verdicts(name: str, models: Mapping[str, str]) -> Arm:
    """This arm of the evaluation, greedy, with models that think."""
    limits = {"max_tokens": 512, "max_step_tokens": 64, "max_steps": 24}
    asked = {**models, **limits, "thinking": "on", "delta": 0.7}
    return named_arm(name, Experiment(asked).setup(), lambda question, text: extract_answer(text))


def written(outcome: Outcome) -> tuple[list[tuple[str, str]], int, int]:
    """Who wrote which step, and how many were drafted and judged."""
    steps = [(step["source"], step["text"]) for step in outcome.steps]
    return steps, outcome.ledger["drafted_steps"], outcome.ledger["scored_steps"]


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
