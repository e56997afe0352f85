"""What the PRM says of steps whose truth is known: how well it tells right from wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsd_graph.embedded.task import Problem, is_step_correct
from rsd_graph.lab.arms.sampled import steps_of
from rsd_graph.lab.calibration.reliability import auroc
from rsd_graph.lab.exam import Exam
from rsd_graph.lab.journal import Record
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix


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

    def as_json(self) -> dict[str, float | None]:
        """As plain numbers."""
        wrong = self.labels.count(False)
        return {"step_auroc": self.auroc, "steps": len(self.labels), "wrong_steps": wrong}


async def step_evidence(
    setup: Setup, exam: Exam, records: Mapping[str, Sequence[Record]]
) -> StepEvidence | None:
    """Score the steps the draft wrote alone; `None` where steps cannot be judged exactly."""
    drafts = records.get("draft only")
    if drafts is None or not exam.problems:
        return None
    rewards: list[float] = []
    labels: list[bool] = []
    for problem, record in zip(exam.problems, drafts, strict=True):
        steps = steps_of(record["text"], setup.options.step_separator)
        right = _up_to_first_error(problem, [step["text"] for step in steps])
        if right:
            prefix = Prefix(setup.conversation(problem.question))
            scores = await setup.models.prm.score(prefix, steps[: len(right)])
            rewards += scores.rewards
            labels += right
    return StepEvidence(rewards, labels) if rewards else None


def _up_to_first_error(problem: Problem, steps: Sequence[str]) -> list[bool]:
    """Whether each step is right, up to and with the first that is not."""
    right = [
        index < len(problem.steps) and is_step_correct(problem, index, text)
        for index, text in enumerate(steps)
    ]
    return right[: right.index(False) + 1] if False in right else right
