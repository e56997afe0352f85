"""A verdict learned from your own prompts: which steps need no PRM, told by the draft's own words.

A logistic regression on the features of `rsd_graph.providers.prm.features`, with or without the
PRM's reward. What it learns to foresee is one of two labels:

* *verdicts*: RSD runs on the prompts as you run it, and a step is good if the PRM accepts it. No
  gold is needed, and what is learned is the PRM's decision, its mistakes included: distillation.
* *answers*: the draft answers alone, and all steps of an answer are good if the answer is right (a
  hard estimate of one rollout, as Math-Shepherd's, arXiv 2312.08935). It needs golds, and says
  whether the draft gets there, not whether the step is right: a good step of a wrong answer counts
  as bad. No PRM's opinion is in it.

Prompts are divided, 70 % to learn from and 30 % to test on; steps of one answer stay together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rsd_graph.errors import InputError
from rsd_graph.lab.calibration.band import Band, tried, unsure_band
from rsd_graph.lab.calibration.one_pass import IsRight
from rsd_graph.lab.calibration.regression import fit_logistic
from rsd_graph.lab.calibration.reliability import (
    CalibrationBin,
    auroc,
    calibration_bins,
    expected_calibration_error,
)
from rsd_graph.lab.calibration.seen import Course, Seen, seen_steps
from rsd_graph.lab.files import write_whole
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.address import model_identity
from rsd_graph.providers.prm.features import FEATURES
from rsd_graph.providers.prm.learned import REWARD, Lesson


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the verdict is worth on prompts it was not learned from.

    Attributes:
        prompts: How many they are.
        steps: Steps of their answers.
        good: Share of these that are good.
        auroc: How well it tells the good ones; `None` if there is one kind only.
        bins: Its probability against the share that is good: the calibration curve.
        expected_calibration_error: Mean gap between the two.
        band: What the interval of unsure rewards does on them.
    """

    prompts: int
    steps: int
    good: float
    auroc: float | None
    bins: list[CalibrationBin]
    expected_calibration_error: float
    band: Band


@dataclass(frozen=True, slots=True)
class Learning:
    """A learned verdict, and what speaks for it."""

    course: Course
    lesson: Lesson
    prompts: int
    held_out: HeldOut


async def learn(
    setup: Setup,
    prompts: Sequence[str],
    course: Course,
    *,
    draft: object,
    prm: object,
    is_right: IsRight | None = None,
) -> Learning:
    """Learn a verdict.

    Args:
        setup: The models. Its delta is the PRM's, where verdicts are the labels.
        prompts: The questions.
        course: What is learned.
        draft: What the draft is named by: an endpoint string, or an object.
        prm: The same of the PRM.
        is_right: Judges (prompt, answer); needed where answers are the labels.

    Raises:
        InputError: Too few prompts, no golds, or steps of one kind only.
        CapabilityError: The draft reports no log-probabilities.
        ProviderError: An endpoint failed.
    """
    if course.labels == "answers" and is_right is None:
        raise InputError(
            "labels from answers need to know what is right.",
            expected="question and answer on every line",
        )
    answers = await seen_steps(setup, prompts, course, is_right)
    cut = max(1, round(0.7 * len(answers)))
    lesson = fitted(answers[:cut], course, model_identity(draft), model_identity(prm), setup.delta)
    return Learning(course, lesson, len(answers), held_out(lesson, answers[cut:] or answers))


def fitted(
    answers: Sequence[Sequence[Seen]], course: Course, draft: str, prm: str, delta: float
) -> Lesson:
    """The verdict that these answers teach.

    Raises:
        InputError: They hold steps of one kind only.
    """
    names = [*FEATURES, *([REWARD] if course.beside_prm else [])]
    steps = [step for answer in answers for step in answer]
    rows = [[step.features[name] for name in names] for step in steps]
    bias, weights = fit_logistic(rows, [step.good for step in steps])
    lesson = Lesson(
        format="rsd-graph learned verdict 1",
        draft=draft,
        prm=prm,
        label=f"the PRM's reward is at least {delta:g}"
        if course.labels == "verdicts"
        else "the draft, left alone, answers rightly",
        bias=bias,
        weights=dict(zip(names, weights, strict=True)),
        unsure=(0.0, 1.0),
    )
    unsure = unsure_band(judged(lesson, answers), course.slip, min(max(delta, 0.0), 1.0))
    return lesson.model_copy(update={"unsure": unsure})


def judged(lesson: Lesson, answers: Sequence[Sequence[Seen]]) -> list[list[tuple[float, bool]]]:
    """What the verdict says of each step, and whether the step is good."""
    return [[(lesson.probability(s.features), s.good) for s in steps] for steps in answers]


def held_out(lesson: Lesson, answers: Sequence[Sequence[Seen]]) -> HeldOut:
    """What the verdict is worth on these answers."""
    told = judged(lesson, answers)
    chances = [chance for steps in told for chance, _ in steps]
    labels = [good for steps in told for _, good in steps]
    bins = calibration_bins(chances, labels)
    return HeldOut(
        prompts=len(told),
        steps=len(labels),
        good=sum(labels) / len(labels),
        auroc=auroc(chances, labels) if len({*labels}) == 2 else None,
        bins=bins,
        expected_calibration_error=expected_calibration_error(bins),
        band=tried(told, lesson.unsure),
    )


def write_learning(path: str | Path, found: Learning) -> dict[str, object]:
    """Write the file that `learned:FILE` reads, and what the verdict is worth.

    Raises:
        ConfigurationError: It cannot be written.
    """
    content: dict[str, object] = {
        **found.lesson.model_dump(mode="json"),
        "course": asdict(found.course),
        "prompts": found.prompts,
        "held_out": asdict(found.held_out),
    }
    write_whole(Path(path), json.dumps(content, indent=2) + "\n")
    return content
