"""What is to be planned: models, GPUs, traffic, and what answers are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.latency.hardware import GPU, Model
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.mean_value import Traffic
from rsd_graph.lab.statistics import Estimate
from rsd_graph.lab.step_statistics import StepStatistics


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be planned.

    Attributes:
        prms: Those to choose from.
        count: GPUs.
        rejected: Share of drafted steps; low and high are as far as it is known.
        gpu_hour: Price of a GPU for an hour, in any currency.
    """

    draft: Model
    target: Model
    prms: Sequence[Model]
    gpu: GPU
    count: int
    traffic: Traffic
    workload: Workload
    rejected: Estimate
    gpu_hour: float | None = None


def traffic_of(in_flight: float | None, per_second: float | None) -> Traffic:
    """The one that was stated.

    Raises:
        ConfigurationError: Neither, or both; or it is not above zero.
    """
    stated = [value for value in (in_flight, per_second) if value is not None]
    if len(stated) != 1 or stated[0] <= 0:
        raise ConfigurationError(
            "how much there is to answer is not clear.",
            expected="either --in-flight or --per-second, above 0",
        )
    return Traffic(in_flight, per_second)


def answers_of(
    known: StepStatistics | None,
    *,
    rejected: float | None = None,
    steps: float | None = None,
    step_tokens: float | None = None,
    question_tokens: float | None = None,
) -> tuple[Workload, Estimate]:
    """What answers are like, and the share of rejected steps as far as it is known.

    What is stated goes before what was measured, and that before the paper's lengths.

    Raises:
        ConfigurationError: Nobody knows how many steps are rejected, or a number means nothing.
    """
    if rejected is None and known is None:
        raise ConfigurationError(
            "nobody knows how many steps will be rejected.",
            expected="--rejected 0.15, or --statistics with a file that says so",
            hint="rsd-graph calibrate measures it on your own prompts.",
        )
    if any(value is not None and value < 1 for value in (steps, step_tokens, question_tokens)):
        raise ConfigurationError("an answer of nothing.", expected="lengths of 1 or more")
    if rejected is not None and not 0 <= rejected < 1:
        raise ConfigurationError(f"{rejected:g} of the steps rejected.", expected="0 to below 1")
    usual = _measured(known) if known else Workload()
    share = known.rejected_share if known else Estimate(0.0, 0.0, 1.0)
    if rejected is not None:
        share = Estimate(rejected, rejected, rejected)
    found = Workload(
        rejects=share.value,
        steps=steps or usual.steps,
        step_tokens=step_tokens or usual.step_tokens,
        question_tokens=question_tokens or usual.question_tokens,
    )
    return found, share


def _measured(known: StepStatistics) -> Workload:
    return Workload(
        steps=known.steps,
        step_tokens=known.step_tokens,
        question_tokens=known.question_tokens,
    )
