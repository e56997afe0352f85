"""Rivals of RSD that lean on what a real vLLM can do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from rsd_graph import Endpoint
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import extract_answer
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.experiment import Experiment
from rsd_graph.lab.setup import Setup
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
def setup(vllm_servers: Mapping[str, Endpoint]) -> Setup:
    """The shipped models, each on a vLLM of its own."""
    return Experiment(
        {
            "draft": f"vllm+{vllm_servers['draft']}",
            "target": f"vllm+{vllm_servers['target']}",
            "prm": f"recompute+vllm+{vllm_servers['prm']}",
            "max_tokens": 120,
        }
    ).setup()


def arm_of(name: str, setup: Setup) -> Arm:
    return named_arm(name, setup, lambda question, text: extract_answer(text))


async def test_a_target_that_speculates_gives_the_targets_answers(
    setup: Setup, speculating: Endpoint
) -> None:
    """Token-level speculative decoding is served, not ours: the same words, one more row."""
    alone = arm_of("target", setup)
    served = arm_of(f"served:vllm+{speculating}", setup)

    for problem in PROBLEMS:
        expected = await alone.solve(problem.question, 0)
        found = await served.solve(problem.question, 0)
        assert found.text == expected.text
        assert found.ledger["target"]["completion_tokens"] > 0


async def test_gsi_reads_drafts_by_prompt_log_probabilities(setup: Setup) -> None:
    """Both ways of a step are taken, and the target reads each draft in one request."""
    arm = arm_of("gsi:2", setup)

    outcomes = [await arm.solve(problem.question, 0) for problem in PROBLEMS]

    right = [
        extract_answer(outcome.text) == problem.answer
        for outcome, problem in zip(outcomes, PROBLEMS, strict=True)
    ]
    read = sum(outcome.ledger["target"]["calls"] for outcome in outcomes)
    drafted = sum(outcome.ledger["drafted_steps"] for outcome in outcomes)
    assert sum(right) >= 4
    assert read >= drafted
