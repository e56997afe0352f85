"""The models that think, served by llama.cpp: RSD in both phases, end to end."""

from __future__ import annotations

import pytest

from rsd_graph import ChatRSD
from rsd_graph.answer.steps import phase_of
from rsd_graph.embedded.task import extract_answer, held_out_problems
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.experiment import THINKING, Experiment
from rsd_graph.providers.registry import step_model

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")

QUESTIONS = [problem.question for problem in held_out_problems(3)]


async def test_they_think_and_then_answer() -> None:
    """What is thought is reasoning; the answer holds a box and no marker, and both were counted."""
    llm = ChatRSD(**THINKING, thinking="on", max_tokens=512, max_step_tokens=64, max_steps=24)

    answer = await llm.ainvoke(QUESTIONS[0])

    assert extract_answer(str(answer.content)) is not None
    assert "think>" not in str(answer.content)
    assert "Monday" in answer.additional_kwargs["reasoning_content"]
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_token_details"]["reasoning"] > 0


async def test_a_budget_closes_their_thinking() -> None:
    """After two steps the answer is asked for, and the rest is worked out in it."""
    limits = {"max_tokens": 256, "max_step_tokens": 64, "max_thinking_steps": 2}
    llm = ChatRSD(**THINKING, thinking="on", **limits)

    answer = await llm.ainvoke(QUESTIONS[0])

    thinking = answer.response_metadata["rsd"]["thinking"]
    assert (thinking["steps"], thinking["finish"]) == (2, "forced")
    assert "Tuesday" in answer.additional_kwargs["reasoning_content"]
    assert extract_answer(str(answer.content)) is not None


async def test_their_template_opens_the_thinking() -> None:
    """The marker is in the prompt, as with DeepSeek-R1: the text begins without one."""
    draft = step_model(THINKING["draft"], "draft")

    found = await draft.thinker.format()  # type: ignore[attr-defined]

    assert (found.open, found.close, found.tail) == ("<think>\n", "\n</think>\n\n", "<think>\n")


@pytest.mark.parametrize(
    "name",
    [
        "draft",
        "rsd:0.7",
        "verdict:0.5:doubt+target",
        "confspec:0.3:0.95:0.5:doubt",
        "specguard:2:0.5",
        "glimprouter:0.3",
        "verdict:0.7:capped:0.1,so-far:min,prm",
        "phases:0.2:0.7:by-phase:free:lowest,prm",
    ],
)
async def test_every_verdict_runs_on_thinking(name: str) -> None:
    """Each arm answers, in both phases, and books every token with the model that wrote it."""
    setup = Experiment({**THINKING, "thinking": "on", "temperature": 0.7}).setup()
    arm = named_arm(name, setup, lambda question, text: text)

    outcome = await arm.solve(QUESTIONS[1], 0)

    ledger = outcome.ledger
    assert {phase_of(step) for step in outcome.steps} == {"thinking", "answer"}
    assert ledger["draft"]["completion_tokens"] == (
        ledger["kept_draft_tokens"]
        + ledger["discarded_draft_tokens"]
        + ledger["wasted_draft_tokens"]
    )
    asks_a_prm = "prm" in name or "rsd" in name
    assert (ledger["prm"]["calls"] > 0) is asks_a_prm
