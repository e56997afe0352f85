from __future__ import annotations

import random

import pytest

from rsd_graph.embedded.task import held_out_problems, is_step_correct
from tests.embedded.test_task import PROBLEM
from training.rewording import (
    ANSWER_TEMPLATES,
    HELD_OUT_ANSWER_TEMPLATES,
    HELD_OUT_STEP_TEMPLATES,
    STEP_TEMPLATES,
    reword,
)


@pytest.fixture
def rng() -> random.Random:
    return random.Random(0)


@pytest.mark.parametrize("held_out", [False, True])
def test_rewordings_are_correct(rng: random.Random, held_out: bool) -> None:
    """Other words for a right step are still right, whichever template they come from."""
    for problem in held_out_problems(100):
        for index, step in enumerate(problem.steps):
            assert is_step_correct(problem, index, reword(step, rng, held_out=held_out))


def test_rewordings_of_wrong_steps_are_wrong(rng: random.Random) -> None:
    """Rewording changes the words, never the claim."""
    assert not any(
        is_step_correct(PROBLEM, 0, reword("Monday loses 33. 43-33=11.", rng)) for _ in range(50)
    )


def test_held_out_templates_are_not_training_templates() -> None:
    """Generalisation is measured on wordings training cannot have used."""
    assert not set(STEP_TEMPLATES) & set(HELD_OUT_STEP_TEMPLATES)
    assert not set(ANSWER_TEMPLATES) & set(HELD_OUT_ANSWER_TEMPLATES)
    assert len(HELD_OUT_STEP_TEMPLATES) >= 2
