"""The shipped models on held-out problems of their own task: RSD against draft and target alone.

Problems are made from a seed, never seen in training, and checked exactly, step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rsd_graph.acceptance import reward_threshold
from rsd_graph.embedded.task import (
    Problem,
    extract_answer,
    held_out_problems,
    is_step_correct,
)
from rsd_graph.evaluation.arms import Arm, Stack, alone, rsd, steps_of
from rsd_graph.evaluation.calibration_curve import auroc
from rsd_graph.evaluation.journal import Record
from rsd_graph.evaluation.questions import Question
from rsd_graph.limits import Limits
from rsd_graph.lookahead import Lookahead
from rsd_graph.providers.base import Prefix, Sampling
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.state import Candidate


@dataclass(frozen=True, slots=True)
class Task:
    """Held-out problems as questions, and their exact grading."""

    problems: Sequence[Problem]

    @property
    def questions(self) -> list[Question]:
        """The problems as questions."""
        return [
            Question(f"candies/{number}", problem.question, str(problem.answer), "math")
            for number, problem in enumerate(self.problems)
        ]

    async def grade(self, question: Question, text: str) -> dict[str, Any]:
        """Right iff the last box holds exactly the answer."""
        found = extract_answer(text)
        return {"correct": str(found) == question.gold, "extracted": found}


def held_out(count: int, seed: int = 0) -> Task:
    """*count* problems no model was trained on."""
    return Task(held_out_problems(count, seed))


def embedded_stack(temperature: float = 0.0, context: int = 1024) -> Stack:
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
    )


def main_arms(stack: Stack, delta: float, lookahead: Lookahead = 0) -> list[Arm]:
    """Draft alone, target alone, and RSD, the first two on servers of their own."""
    apart = embedded_stack(stack.sampling.temperature, context=1000)
    return [
        alone(apart, "draft"),
        alone(apart, "target"),
        rsd(stack, reward_threshold(delta), lookahead),
    ]


async def step_rewards(
    stack: Stack, task: Task, draft_records: Sequence[Record]
) -> tuple[list[float], list[bool]]:
    """Rewards of the draft's own steps and whether each is right, up to its first error.

    That is what the PRM meets in RSD: a rejected step is never continued.
    """
    rewards: list[float] = []
    labels: list[bool] = []
    for problem, record in zip(task.problems, draft_records, strict=True):
        judged = _until_first_error(problem, steps_of(record["text"], stack.separator))
        prefix = Prefix(stack.conversation(problem.question))
        scores = await stack.prm.score(prefix, [step for step, _ in judged])
        rewards += scores.rewards
        labels += [right for _, right in judged]
    return rewards, labels


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


def step_auroc(rewards: Sequence[float], labels: Sequence[bool]) -> float | None:
    """How well rewards separate right from wrong steps; `None` if the draft made no error."""
    return auroc(rewards, labels) if False in labels and True in labels else None
