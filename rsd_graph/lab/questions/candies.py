"""Our own task: problems about candies, made from a seed and never seen in training."""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph.embedded.task import Problem
from rsd_graph.lab.question import Question

NAME = "candies"
COUNT = 300
"""How many are asked unless somebody says otherwise."""


def as_questions(problems: Sequence[Problem]) -> list[Question]:
    """The problems as questions."""
    return [
        Question(
            f"{NAME}/{number}",
            problem.question,
            str(problem.answer),
            "math",
            level=len(problem.steps) - 1,  # the last step only states the answer
            subject="arithmetic",
            source=NAME,
        )
        for number, problem in enumerate(problems)
    ]
