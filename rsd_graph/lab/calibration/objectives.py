"""Which delta: by a budget, by an accuracy to reach, or by what a right answer costs.

* *target share* (Proposition 2.3 of the paper): the largest delta that sends at most this share of
  steps to the target, with a bound for the sample's size.
* *accuracy*: the cheapest delta whose estimated accuracy reaches the goal with its one-sided lower
  bound. The point estimate would be reached by luck half of the time.
* *best value*: the delta with the most right answers for its cost, among those that reach the
  accuracy if one is named. Without one, a cheap draft wins by itself: half as many right answers at
  a tenth of the cost are five times as many for the money.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsd_graph.errors import ConfigurationError, InputError
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.one_pass import Sample
from rsd_graph.lab.calibration.sweep import SweepPoint, point, sweep
from rsd_graph.lab.statistics import DeltaChoice, choose_delta, lower_bound

_POINTS = 101
"""Deltas that are compared: every percentile of the rewards."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What delta is chosen for.

    Attributes:
        kind: Which objective.
        goal: The share of steps the target may write, in (0, 1), or the accuracy to reach, in
            (0, 1]; best value can do without.
        confidence: Of keeping the budget, or of reaching the accuracy on the sampled prompts.
    """

    kind: Literal["target share", "accuracy", "best value"]
    goal: float | None = None
    confidence: float = 0.95

    def __post_init__(self) -> None:
        """Refuse goals that mean nothing."""
        if not (0 < (self.goal or 0) <= 1 or (self.kind == "best value" and self.goal is None)):
            raise InputError(f"a goal of {self.goal} for {self.kind}.", expected="0 < goal <= 1")
        if not 0 < self.confidence < 1:
            raise InputError(f"a confidence of {self.confidence}.", expected="between 0 and 1")

    @property
    def asks_target(self) -> bool:
        """Whether it takes the target's own answers, and golds to judge them."""
        return self.kind != "target share"

    def check(self, accounting: Accounting, *, is_labelled: bool) -> None:
        """Refuse what this objective cannot be answered from, before anything is spent.

        Raises:
            InputError: It needs golds, and there are none.
            ConfigurationError: It needs costs that nobody stated.
        """
        if self.asks_target and not is_labelled:
            raise InputError(
                f"the objective {self.kind} needs to know what is right.",
                expected="question and answer on every line",
            )
        if self.kind == "best value" and accounting.unit == "target tokens":
            raise ConfigurationError(
                "the best value depends on what draft and PRM cost, too.",
                expected="parameters of all three models, or prices",
                hint="State them in a stack, and name it with --config.",
            )


@dataclass(frozen=True, slots=True)
class Choice:
    """The delta that was chosen, and what it does on the prompts it was chosen on.

    Attributes:
        delta: The threshold.
        estimate: What it does there.
        bound: How the budget is kept, if that was the objective.
        accuracy_bound: What the accuracy is at least, with the objective's confidence; `None` if
            the target was not asked.
    """

    delta: float
    estimate: SweepPoint
    bound: DeltaChoice | None = None
    accuracy_bound: float | None = None


def choose(sample: Sample, objective: Objective, accounting: Accounting) -> Choice:
    """The delta that serves *objective* best.

    Raises:
        InputError: The sample is too small for the budget, or no delta reaches the accuracy; the
            message says what it takes, or what can be reached.
    """
    if objective.kind == "target share":
        rewards = [-math.inf if reward is None else reward for reward in sample.rewards]
        bound = choose_delta(rewards, objective.goal or 0, confidence=objective.confidence)
        return _choice(sample, point(sample, bound.delta, accounting), objective, bound)
    points = sweep(sample, accounting, _POINTS)
    if objective.goal is not None:
        points = _reaching(sample, points, objective)
    best = min(points, key=_cost) if objective.kind == "accuracy" else _best_value(points)
    return _choice(sample, best, objective)


def _choice(
    sample: Sample, found: SweepPoint, objective: Objective, bound: DeltaChoice | None = None
) -> Choice:
    reached = _bound(sample, found, objective) if found.accuracy else None
    return Choice(found.delta, found, bound, reached)


def _reaching(
    sample: Sample, points: Sequence[SweepPoint], objective: Objective
) -> list[SweepPoint]:
    """The points that reach the accuracy."""
    goal, count = objective.goal or 0, len(sample.trials)
    found = [item for item in points if _bound(sample, item, objective) >= goal]
    if found:
        return found
    best = max(points, key=lambda item: _bound(sample, item, objective))
    reachable = _bound(sample, best, objective)
    seen = best.accuracy.value if best.accuracy else 0
    raise InputError(
        f"no delta promises an accuracy of {goal:.1%} with confidence {objective.confidence:.0%}.",
        expected=f"at most {math.floor(1000 * reachable) / 10:.1f}%, from {seen:.1%} of {count} "
        f"prompts right at delta {best.delta:.4g}",
        hint=f"{count} prompts, all right, would promise "
        f"{math.floor(1000 * lower_bound(count, count, objective.confidence)) / 10:.1f}%. "
        "Add prompts, ask for less, or lower the confidence.",
    )


def _bound(sample: Sample, found: SweepPoint, objective: Objective) -> float:
    """What the accuracy is at least."""
    value = found.accuracy.value if found.accuracy else 0.0
    count = len(sample.trials)
    return lower_bound(round(value * count), count, objective.confidence)


def _best_value(points: Sequence[SweepPoint]) -> SweepPoint:
    """Most right answers for the cost; of equals, the cheapest."""
    if not all(map(_cost, points)):
        raise ConfigurationError(
            "by these prices an answer costs nothing.", expected="a price above 0 for some model"
        )
    return max(points, key=lambda item: (_value(item), -_cost(item)))


def _value(found: SweepPoint) -> float:
    return (found.accuracy.value if found.accuracy else 0.0) / _cost(found)


def _cost(found: SweepPoint) -> float:
    return found.cost or 0.0
