"""What an evaluation asks, and how it judges: any dataset, graded in processes of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Protocol

from rsd_graph.lab.grading.multiple_choice import extract_letter
from rsd_graph.lab.grading.verdict import check_gradable, extract_math
from rsd_graph.lab.grading.workers import Grader
from rsd_graph.lab.questions.question import Question


class Exam(Protocol):
    """Questions and their judge."""

    @property
    def questions(self) -> Sequence[Question]:
        """What is asked."""
        ...

    async def grade(self, question: Question, text: str) -> dict[str, Any]:
        """Judge one answer: `correct`, `extracted`, and whatever else is worth keeping.

        Where nothing is right or wrong, `correct` is `None` and `reward` is a number.
        """
        ...

    def extract(self, question: str, text: str) -> object:
        """What an answer boils down to; `None` if it states nothing."""
        ...


class DatasetExam:
    """A dataset of mathematics or multiple choice.

    Raises:
        InputError: A question has no gold answer.
    """

    def __init__(self, questions: Sequence[Question], grader: Grader) -> None:
        for question in questions:
            check_gradable(question)
        self.questions = questions
        self._by_text = {question.text: question for question in questions}
        self._grader = grader

    async def grade(self, question: Question, text: str) -> dict[str, Any]:
        """Our verdict, and as `paper_correct` the one of the paper's evaluation."""
        return asdict(await self._grader.agrade(question, text))

    def extract(self, question: str, text: str) -> object:
        """The letter chosen, or the mathematics stated."""
        asked = self._by_text[question]
        if asked.kind == "choice":
            return extract_letter(text, asked.choices)
        return extract_math(text)
