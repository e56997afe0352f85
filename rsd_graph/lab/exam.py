"""Questions together with their judge."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rsd_graph.answer.state import Step, initial_state
from rsd_graph.answer.steps import phase_of
from rsd_graph.embedded.task import Problem, extract_answer, held_out_problems, is_step_correct
from rsd_graph.errors import InputError
from rsd_graph.lab.grading.multiple_choice import extract_letter
from rsd_graph.lab.grading.verdict import check_gradable, extract_math
from rsd_graph.lab.grading.workers import Grader
from rsd_graph.lab.journal import Judgement
from rsd_graph.lab.question import Extract, Question
from rsd_graph.lab.questions.candies import COUNT, as_questions
from rsd_graph.providers.base import Prefix, RewardModel, check_scores
from rsd_graph.providers.scripted import candidate
from rsd_graph.viewer.trace import Mistakes

Grade = Callable[[Question, str], Awaitable[Judgement]]
"""(question, answer) -> what a judge finds in it."""

CheckSteps = Callable[[Question, Sequence[Step]], Mistakes | None]
"""(question, steps) -> where the PRM was wrong about them; `None` if they cannot be checked."""


@dataclass(frozen=True, slots=True)
class Exam:
    """Questions and their judge.

    Attributes:
        questions: What is asked.
        grade: Judges one answer.
        extract: What an answer boils down to, for votes.
        problems: The same as problems of our own task, if they are.
        check_steps: Checks every step of an answer, where that can be done.
    """

    questions: Sequence[Question]
    grade: Grade
    extract: Extract
    problems: Sequence[Problem] = ()
    check_steps: CheckSteps | None = None


def dataset_exam(questions: Sequence[Question], grader: Grader) -> Exam:
    """A dataset of mathematics or multiple choice, graded in processes of their own.

    Raises:
        InputError: A question has no gold answer.
    """
    for question in questions:
        check_gradable(question)
    by_text = {question.text: question for question in questions}

    async def grade(question: Question, text: str) -> Judgement:
        found = await grader.agrade(question, text)
        return {
            "correct": found.correct,
            "paper_correct": found.paper_correct,
            "extracted": found.extracted,
            "reason": found.reason,
        }

    def extract(question: str, text: str) -> object:
        asked = by_text[question]
        return extract_letter(text, asked.choices) if asked.kind == "choice" else extract_math(text)

    return Exam(questions, grade, extract)


def candies_exam(count: int | None = None, seed: int = 0) -> Exam:
    """Problems of our own task that no model was trained on: right iff the last box is exactly so.

    Args:
        count: How many; 300 unless somebody says otherwise.
        seed: Draws them.
    """
    problems = held_out_problems(COUNT if count is None else count, seed)
    by_text = {problem.question: problem for problem in problems}

    async def grade(question: Question, text: str) -> Judgement:
        found = extract_answer(text)
        return {"correct": str(found) == question.gold, "extracted": found}

    def extract(question: str, text: str) -> object:
        return extract_answer(text)

    def check_steps(question: Question, steps: Sequence[Step]) -> Mistakes | None:
        if any(phase_of(step) == "thinking" for step in steps):
            return None  # thoughts have an order of their own
        return prm_mistakes(by_text[question.text], steps)

    return Exam(as_questions(problems), grade, extract, problems, check_steps)


def prm_mistakes(problem: Problem, steps: Sequence[Step]) -> Mistakes:
    """Where the PRM was wrong; what follows a wrong settled step is neither right nor wrong."""
    found = Mistakes(rejected_right=[], accepted_wrong=[])
    for index, step in enumerate(steps):
        draft, is_scored = step["rejected_text"], step["reward"] is not None
        if draft is not None and is_scored and is_step_correct(problem, index, draft):
            found["rejected_right"].append(index)
        if not is_step_correct(problem, index, step["text"]):
            found["accepted_wrong"] += [index] if step["accepted"] and is_scored else []
            break
    return found


def open_exam(questions: Sequence[Question], judge: RewardModel) -> Exam:
    """Open-ended questions: an answer's verdict is the reward an outcome reward model gives it.

    The paper's AlpacaEval experiment (Table 6) is such a one. The judge sees the whole answer and
    no system prompt; what it costs is no arm's. Such answers cannot vote.
    """

    async def grade(question: Question, text: str) -> Judgement:
        prefix = Prefix(initial_state(question.text)["conversation"])
        answer = [candidate(text, "eos")]
        scores = await judge.score(prefix, answer)
        check_scores(scores, answer, judge)
        return {"correct": None, "extracted": None, "reward": scores.rewards[0]}

    def extract(question: str, text: str) -> object:
        raise InputError(
            "open-ended answers cannot vote.",
            expected="questions with a gold",
            hint="Compare with best-of-n instead of a majority.",
        )

    return Exam(questions, grade, extract)
