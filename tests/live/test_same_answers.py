"""The same problems, solved by RSD on three engines: vLLM, llama.cpp and transformers.

Every second draft or so is rejected, by a coin that falls alike everywhere: both models write, and
no reward near a threshold can decide differently.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from rsd_graph import (
    Endpoint,
    Limits,
    RewardModel,
    Step,
    StepModel,
    constant,
    create_rsd_graph,
    initial_state,
    reward_model,
    step_model,
)
from rsd_graph.embedded.engine import MODELS
from tests.live.answers import PROBLEMS

pytestmark = pytest.mark.live

Stack = tuple[StepModel, StepModel, RewardModel]


async def transcript(stack: Stack, question: str) -> list[Step]:
    """The settled steps of one answer."""
    draft, target, prm = stack
    graph = create_rsd_graph(
        draft=draft,
        target=target,
        prm=prm,
        accept=constant(0.5),
        limits=Limits(max_step_tokens=64),
    )
    result = await graph.compile().ainvoke(initial_state(question, seed=1))
    steps: list[Step] = result["steps"]
    return steps


def decided(steps: list[Step]) -> list[tuple[str, str, str, str | None]]:
    """What was written, by whom, how it ended, and what was rejected for it."""
    return [(s["text"], s["source"], s["ended"], s["rejected_text"]) for s in steps]


def rewards(steps: list[Step]) -> list[float]:
    return [-1.0 if step["reward"] is None else step["reward"] for step in steps]


@pytest.fixture
def llamacpp() -> Stack:
    """The embedded engine, as `ChatRSD()` uses it."""
    return (
        step_model("embedded:draft", "draft"),
        step_model("embedded:target", "target"),
        reward_model("embedded:prm"),
    )


async def test_vllm_decides_as_llamacpp(
    vllm_servers: Mapping[str, Endpoint], llamacpp: Stack
) -> None:
    """All three seats on vLLM: the same transcript, and rewards that agree to 0.01."""
    vllm = (
        step_model(f"vllm+{vllm_servers['draft']}", "draft"),
        step_model(f"vllm+{vllm_servers['target']}", "target"),
        reward_model(f"recompute+vllm+{vllm_servers['prm']}"),
    )

    for problem in PROBLEMS:
        here = await transcript(llamacpp, problem.question)
        there = await transcript(vllm, problem.question)

        assert decided(there) == decided(here)
        assert {step["source"] for step in here} == {"draft", "target"}
        assert rewards(there) == pytest.approx(rewards(here), abs=1e-2)


async def test_transformers_decides_as_llamacpp(
    transformers_servers: Mapping[str, Endpoint], llamacpp: Stack
) -> None:
    """Draft and target on transformers, which has no log-probabilities for a PRM."""
    draft, target = (
        step_model(f"transformers+{_with_template(transformers_servers[role], role)}", role)
        for role in ("draft", "target")
    )

    for problem in PROBLEMS:
        here = await transcript(llamacpp, problem.question)
        there = await transcript((draft, target, llamacpp[2]), problem.question)

        assert decided(there) == decided(here)


def _with_template(endpoint: Endpoint, role: str) -> str:
    return f"{endpoint.url}?template={MODELS / role}#{endpoint.model}"
