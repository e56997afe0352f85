"""The card tells the truth about the files beside it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

pytest.importorskip("gguf")

import gguf

from rsd_graph import PerRole, ScriptedStepModel
from rsd_graph.embedded.card import known_parameters, read_card
from rsd_graph.embedded.engine import MODELS, SHIPPED, THINKING
from rsd_graph.embedded.task import CONTEXT

TABLE = Path(__file__).parents[2] / "benchmarks" / "results" / "thinking.md"
MADE = [model for model in (*SHIPPED, *THINKING) if (MODELS / f"{model}.gguf").exists()]
"""Those that think are made by `make train`."""


@pytest.mark.parametrize("model", MADE)
def test_parameters_are_those_in_the_file(model: str) -> None:
    """FLOPs are counted with the size of the model that is really served."""
    tensors = gguf.GGUFReader(MODELS / f"{model}.gguf").tensors
    role = model.rpartition("-")[2]
    card = read_card(model.removesuffix(role))

    assert getattr(card, role).parameters == sum(math.prod(t.shape) for t in tensors)


@pytest.mark.parametrize("model", MADE)
def test_the_context_is_that_of_the_file(model: str) -> None:
    """A profile promises no more than the model was trained for."""
    field = gguf.GGUFReader(MODELS / f"{model}.gguf").fields["qwen2.context_length"]

    assert field.contents() == CONTEXT


@pytest.mark.skipif(not TABLE.exists(), reason="needs the repository's benchmarks")
@pytest.mark.parametrize(
    ("role", "result", "arm"),
    [
        ("draft", "draft", "draft alone"),
        ("target", "target", "target alone"),
        ("prm", "rsd", "RSD 0.7, the PRM judges every step"),
    ],
)
def test_what_models_that_think_can_do_is_what_was_measured(
    role: str, result: str, arm: str
) -> None:
    """Their card says what the published table says."""
    found = getattr(read_card("thinking-"), role).held_out_results[result]

    low, high = found["interval_95"]
    row = f"| {arm} | {found['accuracy']} [{low}, {high}] |"
    assert row in TABLE.read_text(encoding="utf-8")


def test_parameters_come_per_role() -> None:
    """As `rsd_graph.flops` takes them."""
    card = read_card()

    assert card.parameters == PerRole(
        card.draft.parameters, card.target.parameters, card.prm.parameters
    )


def test_parameter_counts_are_known_for_shipped_models_only() -> None:
    """FLOPs need parameter counts; only the shipped models' are known."""
    shipped = known_parameters("embedded:draft", "embedded:target", "embedded:prm")

    assert shipped == {role: getattr(read_card(), role).parameters for role in SHIPPED}
    assert known_parameters("embedded:draft", "vllm+http://h", "embedded:prm") is None
    assert known_parameters(ScriptedStepModel([]), "embedded:target", "embedded:prm") is None
