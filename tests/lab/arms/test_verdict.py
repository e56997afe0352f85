"""Every verdict as an arm, on the shipped models served by llama.cpp."""

from __future__ import annotations

import pytest

from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.experiment import Experiment

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")

(PROBLEM,) = held_out_problems(1)


@pytest.mark.parametrize(
    ("name", "asks_the_prm"),
    [
        ("verdict:0.5:doubt+target", False),
        ("confspec:0.3:0.95:0.5:doubt", False),
        ("specguard:2:0.5", False),
        ("glimprouter:0.3", False),
        ("verdict:0.7:capped:0.1,so-far:min,prm", True),
    ],
)
async def test_every_verdict_runs_on_the_shipped_models(name: str, asks_the_prm: bool) -> None:
    """Each arm answers in steps, and every token of the draft is kept, discarded or wasted."""
    setup = Experiment({"temperature": 0.7}).setup(199)
    arm = named_arm(name, setup, lambda question, text: text)

    outcome = await arm.solve(PROBLEM.question, 0)

    ledger = outcome.ledger
    assert len(outcome.steps) == len(PROBLEM.steps)
    assert ledger["draft"]["completion_tokens"] == (
        ledger["kept_draft_tokens"]
        + ledger["discarded_draft_tokens"]
        + ledger["wasted_draft_tokens"]
    )
    assert (ledger["prm"]["calls"] > 0) is asks_the_prm
