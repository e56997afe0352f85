"""The shipped models on held-out problems of their own task: RSD against draft and target alone.

Problems are made from a seed, never seen in training, and checked exactly, step by step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import Candidate
from rsd_graph.embedded.task import (
    Problem,
    extract_answer,
    held_out_problems,
    is_step_correct,
)
from rsd_graph.lab.arms.arm import Stack, steps_of
from rsd_graph.lab.calibration.reliability import auroc
from rsd_graph.lab.journal import Record
from rsd_graph.lab.questions.exam import Exam
from rsd_graph.lab.questions.question import Question
from rsd_graph.providers.base import Prefix, Sampling
from rsd_graph.providers.registry import reward_model, step_model

NAME = "candies"


@dataclass(frozen=True, slots=True)
class Task:
    """Held-out problems as questions, and their exact grading."""

    problems: Sequence[Problem]

    @property
    def questions(self) -> list[Question]:
        """The problems as questions."""
        return [
            Question(
                f"{NAME}/{number}",
                problem.question,
                str(problem.answer),
                "math",
                level=len(problem.steps) - 1,  # the last step only states the answer
            )
            for number, problem in enumerate(self.problems)
        ]

    async def grade(self, question: Question, text: str) -> dict[str, Any]:
        """Right iff the last box holds exactly the answer."""
        found = extract_answer(text)
        return {"correct": str(found) == question.gold, "extracted": found}

    def extract(self, question: str, text: str) -> object:
        """The number in the last box."""
        return extract_answer(text)


def held_out(count: int, seed: int = 0) -> Task:
    """*count* problems no model was trained on."""
    return Task(held_out_problems(count, seed))


def embedded_stack(
    temperature: float = 0.0, context: int = 1024, system: str | None = None
) -> Stack:
    """The three shipped models behind the embedded engine.

    Servers are shared by all stacks of one *context*. Arms whose full costs are compared need
    servers of their own: on a shared one, an arm would find another's work in the prefix cache.
    """
    options = f"?context={context}"
    return Stack(
        draft=step_model(f"embedded:draft{options}", "draft"),
        target=step_model(f"embedded:target{options}", "target"),
        prm=reward_model(f"embedded:prm{options}"),
        sampling=Sampling(temperature=temperature),
        limits=Limits(max_tokens=512, max_step_tokens=64, max_steps=24),
        system=system,
    )


@dataclass(frozen=True, slots=True)
class StepEvidence:
    """Rewards of the draft's own steps and whether each is right, up to its first error.

    That is what the PRM meets in RSD: a rejected step is never continued.
    """

    rewards: Sequence[float]
    labels: Sequence[bool]

    @property
    def auroc(self) -> float | None:
        """How well rewards separate right from wrong; `None` if the draft made no error."""
        both = False in self.labels and True in self.labels
        return auroc(self.rewards, self.labels) if both else None

    def as_json(self) -> dict[str, Any]:
        """As plain numbers."""
        wrong = self.labels.count(False)
        return {"step_auroc": self.auroc, "steps": len(self.labels), "wrong_steps": wrong}


async def step_evidence(
    stack: Stack, exam: Exam, records: Mapping[str, Sequence[Record]]
) -> StepEvidence | None:
    """Score the steps the draft wrote alone; `None` where steps cannot be judged exactly."""
    drafts = records.get("draft only")
    if drafts is None or not isinstance(exam, Task):
        return None
    rewards: list[float] = []
    labels: list[bool] = []
    for problem, record in zip(exam.problems, drafts, strict=True):
        judged = _until_first_error(problem, steps_of(record["text"], stack.separator))
        if not judged:
            continue
        prefix = Prefix(stack.conversation(problem.question))
        scores = await stack.prm.score(prefix, [step for step, _ in judged])
        rewards += scores.rewards
        labels += [right for _, right in judged]
    return StepEvidence(rewards, labels) if rewards else None


def _until_first_error(
    problem: Problem, steps: Sequence[Candidate]
) -> list[tuple[Candidate, bool]]:
    judged: list[tuple[Candidate, bool]] = []
    for index, step in enumerate(steps):
        right = index < len(problem.steps) and is_step_correct(problem, index, step["text"])
        judged.append((step, right))
        if not right:
            break
    return judged
