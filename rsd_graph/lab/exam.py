"""Questions together with their judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rsd_graph.answer.state import Message
from rsd_graph.embedded.task import Problem, extract_answer, held_out_problems
from rsd_graph.errors import InputError
from rsd_graph.lab.grading.multiple_choice import extract_letter
from rsd_graph.lab.grading.verdict import check_gradable, extract_math
from rsd_graph.lab.grading.workers import Grader
from rsd_graph.lab.journal import Judgement
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.candies import COUNT, as_questions
from rsd_graph.providers.base import Prefix, RewardModel, check_scores
from rsd_graph.providers.scripted import candidate


class Exam(Protocol):
    """Questions and their judge."""

    @property
    def questions(self) -> Sequence[Question]:
        """What is asked."""
        ...

    async def grade(self, question: Question, text: str) -> Judgement:
        """Judge one answer."""
        ...

    def extract(self, question: str, text: str) -> object:
        """What an answer boils down to; `None` if it states nothing."""
        ...


class DatasetExam:
    """A dataset of mathematics or multiple choice, graded in processes of its own.

    Raises:
        InputError: A question has no gold answer.
    """

    def __init__(self, questions: Sequence[Question], grader: Grader) -> None:
        for question in questions:
            check_gradable(question)
        self.questions = questions
        self._by_text = {question.text: question for question in questions}
        self._grader = grader

    async def grade(self, question: Question, text: str) -> Judgement:
        """Our verdict, and the one of the paper's evaluation."""
        verdict = await self._grader.agrade(question, text)
        return Judgement(
            correct=verdict.correct,
            paper_correct=verdict.paper_correct,
            extracted=verdict.extracted,
            reason=verdict.reason,
        )

    def extract(self, question: str, text: str) -> object:
        """The letter chosen, or the mathematics stated."""
        asked = self._by_text[question]
        if asked.kind == "choice":
            return extract_letter(text, asked.choices)
        return extract_math(text)


@dataclass(frozen=True, slots=True)
class CandiesExam:
    """Problems of our own task; answers, and every step, are checked exactly."""

    problems: Sequence[Problem]

    @property
    def questions(self) -> list[Question]:
        """The problems as questions."""
        return as_questions(self.problems)

    async def grade(self, question: Question, text: str) -> Judgement:
        """Right iff the last box holds exactly the answer."""
        found = extract_answer(text)
        return {"correct": str(found) == question.gold, "extracted": found}

    def extract(self, question: str, text: str) -> object:
        """The number in the last box."""
        return extract_answer(text)


def candies_exam(count: int | None = None, seed: int = 0) -> CandiesExam:
    """*count* problems no model was trained on."""
    return CandiesExam(held_out_problems(COUNT if count is None else count, seed))


class OpenExam:
    """Open-ended questions: an answer's verdict is the reward an outcome reward model gives it.

    The paper's AlpacaEval experiment (Table 6) is such a one. What the judge costs is no arm's.
    """

    def __init__(self, questions: Sequence[Question], judge: RewardModel) -> None:
        self.questions = questions
        self._judge = judge

    async def grade(self, question: Question, text: str) -> Judgement:
        """The reward of the whole answer, asked for without any system prompt.

        Raises:
            ProviderError: The judge failed, or gave no reward that can be used.
        """
        prefix = Prefix([Message(role="user", content=question.text)])
        answer = candidate(text, "eos")
        scores = await self._judge.score(prefix, [answer])
        check_scores(scores, [answer], self._judge)
        return {"correct": None, "extracted": None, "reward": scores.rewards[0]}

    def extract(self, question: str, text: str) -> object:
        """Nothing.

        Raises:
            InputError: Always: open-ended answers boil down to nothing that could be counted.
        """
        raise InputError(
            "open-ended answers cannot vote.",
            expected="questions with a gold",
            hint="Compare with best-of-n instead of a majority.",
        )
