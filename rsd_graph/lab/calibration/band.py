"""Which probabilities of a learned verdict are sure enough to do without the PRM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Told = Sequence[Sequence[tuple[float, bool]]]
"""For each answer, for each of its steps: the probability that it is good, and whether it is."""

_WASTE = 0.1
"""Of the steps that are rejected without the PRM, the share that may have been good: each costs a
step of the target, and nothing else."""


@dataclass(frozen=True, slots=True)
class Band:
    """What an interval of unsure probabilities does to answers.

    Attributes:
        asked: Share of the steps inside it: a PRM is asked about these.
        accepted: Share of the steps above it.
        rejected: Share of the steps below it.
        slipped: Share of the *answers* with a step above it that is not good.
        wasted: Share of the steps below it that are good.
    """

    asked: float
    accepted: float
    rejected: float
    slipped: float
    wasted: float


def tried(told: Told, unsure: tuple[float, float]) -> Band:
    """What the interval [low, high) does to these answers."""
    low, high = unsure
    steps = [step for answer in told for step in answer]
    below = [good for chance, good in steps if chance < low]
    above = sum(chance >= high for chance, _ in steps)
    slipped = sum(_slips(answer, high) for answer in told)
    return Band(
        asked=1 - (above + len(below)) / len(steps),
        accepted=above / len(steps),
        rejected=len(below) / len(steps),
        slipped=slipped / len(told),
        wasted=sum(below) / len(below) if below else 0.0,
    )


def unsure_band(told: Told, slip: float, delta: float) -> tuple[float, float]:
    """The narrowest interval around *delta* that lets at most a share *slip* of the answers slip.

    Its upper end is the lowest that keeps to this on these answers; its lower end the highest below
    which at most one step in ten is good.
    """
    worst = sorted(
        (max((chance for chance, good in answer if not good), default=-1.0) for answer in told),
        reverse=True,
    )
    allowed = worst[int(slip * len(told))]  # more answers than that must not reach the upper end
    higher = [chance for answer in told for chance, _ in answer if chance > allowed]
    high = min(higher, default=1.0) if allowed >= 0 else 0.0
    return min(_low(told), delta), max(high, delta)


def _low(told: Told) -> float:
    ordered = sorted(step for answer in told for step in answer)
    low, good = 0.0, 0
    for count, (chance, is_good) in enumerate(ordered):
        if count and good <= _WASTE * count and chance > ordered[count - 1][0]:
            low = chance
        good += is_good
    return low


def _slips(answer: Sequence[tuple[float, bool]], high: float) -> bool:
    return any(chance >= high and not good for chance, good in answer)
