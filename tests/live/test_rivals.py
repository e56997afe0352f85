"""Rivals of RSD that lean on what a real vLLM can do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rsd_graph import Endpoint, Limits, reward_model, step_model
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import extract_answer
from rsd_graph.lab.arms.arm import Stack
from rsd_graph.lab.arms.catalog import Kit, named_arm
from tests.live.answers import PROBLEMS
from tests.live.servers import vllm

pytestmark = pytest.mark.live

DRAFTED = {"method": "draft_model", "model": str(MODELS / "draft"), "num_speculative_tokens": 4}


@pytest.fixture(scope="module")
def speculating(venvs: Path, logs: Path) -> Iterator[Endpoint]:
    """The shipped target on a vLLM that lets the shipped draft write ahead, token by token."""
    more = ["--speculative-config", json.dumps(DRAFTED)]
    with vllm(venvs / "vllm", MODELS / "target", logs, name="speculating", more=more) as endpoint:
        yield endpoint


@pytest.fixture
def kit(vllm_servers: Mapping[str, Endpoint]) -> Kit:
    """The shipped models, each on a vLLM of its own."""
    stack = Stack(
        draft=step_model(f"vllm+{vllm_servers['draft']}", "draft"),
        target=step_model(f"vllm+{vllm_servers['target']}", "target"),
        prm=reward_model(f"recompute+vllm+{vllm_servers['prm']}"),
        limits=Limits(max_tokens=120),
    )
    return Kit(stack, lambda question, text: extract_answer(text))


async def test_a_target_that_speculates_gives_the_targets_answers(
    kit: Kit, speculating: Endpoint
) -> None:
    """Token-level speculative decoding is served, not ours: the same words, one more row."""
    alone = named_arm("target", kit)
    served = named_arm(f"served:vllm+{speculating}", kit)

    for problem in PROBLEMS:
        expected = await alone.solve(problem.question, 0)
        found = await served.solve(problem.question, 0)
        assert found.text == expected.text
        assert found.ledger["target"]["completion_tokens"] > 0


async def test_gsi_reads_drafts_by_prompt_log_probabilities(kit: Kit) -> None:
    """Both ways of a step are taken, and the target reads each draft in one request."""
    arm = named_arm("gsi:2", kit)

    outcomes = [await arm.solve(problem.question, 0) for problem in PROBLEMS]

    right = [
        extract_answer(outcome.text) == problem.answer
        for outcome, problem in zip(outcomes, PROBLEMS, strict=True)
    ]
    read = sum(outcome.ledger["target"]["calls"] for outcome in outcomes)
    drafted = sum(outcome.ledger["drafted_steps"] for outcome in outcomes)
    assert sum(right) >= 4
    assert read >= drafted
