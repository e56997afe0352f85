"""The oracle of all samples is right itself, and refuses what the shipped models cannot know."""

from __future__ import annotations

import random

import pytest

from rsd_graph.embedded.task import generate_problem
from tests.helpers.stories import Answered, right_answer, wrong


def test_it_solves_whatever_the_task_has() -> None:
    """Its arithmetic agrees with the generator's on 500 stories."""
    rng = random.Random(0)
    problems = [generate_problem(rng) for _ in range(500)]

    assert [p for p in problems if right_answer(p.question) != p.answer] == []


@pytest.mark.parametrize(
    "question",
    [
        "What is 2+2?",
        "Fay has 50 stamps.\nMonday splits 5.\nTuesday loses 3.\nHow many stamps?",
        "Fay has 50 stamps.\nMonday eats 5.\nTuesday loses 3.\nWednesday buys 2.\nHow many stamps?",
        "Fay has 5 stamps.\nMonday loses 4.\nTuesday buys 3.\nWednesday finds 2.\nHow many stamps?",
        "Fay has 9 stamps.\nMonday buys 4.\nTuesday buys 3.\nWednesday finds 2.\nHow many stamps?",
        "Fay has 9 stamps.\nMonday splits 2.\nTuesday buys 3.\nWednesday wins 2.\nHow many stamps?",
        "Fay has 9 stamps.\nMonday wins 2.\nTuesday buys 3.\nWednesday finds 2.\nHow many cards?",
    ],
    ids=["sum", "short", "unknown verb", "too small", "verb twice", "remainder", "other thing"],
)
def test_it_refuses_what_is_outside_the_task(question: str) -> None:
    """Such a question has no place in a sample."""
    with pytest.raises(ValueError, match=r"story|event|there would be"):
        right_answer(question)


def test_a_wrong_answer_is_found() -> None:
    """The recorder's answers are compared with the oracle's."""
    story = (
        "Fay has 9 stamps.\nMonday wins 2.\nTuesday buys 3.\nWednesday finds 2.\nHow many stamps?"
    )
    answers = [Answered(story, r"\boxed{16}"), Answered(story, r"\boxed{15}")]

    assert wrong(answers) == [(answers[1], 16)]
