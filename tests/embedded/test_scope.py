from __future__ import annotations

import pytest

from rsd_graph.embedded.scope import is_story, notice
from rsd_graph.embedded.task import held_out_problems
from tests.embedded.test_task import PROBLEM


def test_every_generated_problem_is_a_story() -> None:
    """Nothing is said about what the models were made for."""
    assert all(is_story(problem.question) for problem in held_out_problems(200))
    assert notice(PROBLEM.question, "embedded:draft", "embedded:target", "embedded:prm") is None


@pytest.mark.parametrize(
    "question",
    [
        "",
        "What is 2+2?",
        PROBLEM.question.replace("\n", " "),
        PROBLEM.question.replace("Adam", "Zoe"),
        PROBLEM.question.replace("How many candies", "How many coins"),
        PROBLEM.question.replace("Wednesday splits 5.\n", ""),
        PROBLEM.question.replace("splits 5", "splits 3"),
        PROBLEM.question.replace("times 4", "times 40"),
        PROBLEM.question.replace("times", "eats"),
        PROBLEM.question.replace("times", "loses"),
        PROBLEM.question.replace("Tuesday", "Sunday"),
    ],
)
def test_what_the_models_were_not_made_for_is_no_story(question: str) -> None:
    """Other words, other lengths, remainders and large numbers are outside of their task."""
    assert not is_story(question)


def test_only_shipped_models_are_told_about() -> None:
    """With options, behind a family, in a single seat; a model of yours may know anything."""
    yours = "llamacpp+http://127.0.0.1:8080"

    assert notice("What is 2+2?", yours, "embedded:/models/my.gguf", yours) is None
    for seat in ("embedded:target?slots=1", "recompute+embedded:prm"):
        assert str(notice("What is 2+2?", yours, seat)).endswith("This question is no such story.")
