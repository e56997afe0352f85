"""How far a PRM's reward can be read as a probability: AUROC, reliability bins, isotonic repair."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean

from rsd_graph.errors import InputError
from rsd_graph.lab.calibration.one_pass import Sample
from rsd_graph.lab.statistics import Estimate, wilson_interval


@dataclass(frozen=True)
class CalibrationBin:
    """Steps with rewards in [low, high) (the last bin is closed) and how often they are right."""

    low: float
    high: float
    count: int
    mean_reward: float
    accuracy: Estimate


@dataclass(frozen=True)
class IsotonicMap:
    """A non-decreasing step function from reward to probability; JSON-ready.

    Attributes:
        edges: Smallest reward of each block, ascending.
        values: Probability of being right in each block, ascending.
    """

    edges: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, reward: float) -> float:
        """Return the calibrated reward; below the first edge, the first block's value."""
        return self.values[max(0, bisect_right(self.edges, reward) - 1)]


@dataclass(frozen=True)
class Reliability:
    """An answer's lowest reward, read as the probability that the answer is right.

    Attributes:
        bins: A reliability diagram.
        expected_calibration_error: Mean gap between the two.
        isotonic: The map from lowest reward to probability that closes it.
    """

    bins: list[CalibrationBin]
    expected_calibration_error: float
    isotonic: IsotonicMap


def reliability(sample: Sample) -> Reliability | None:
    """How far an answer's lowest reward is the probability that it is right; `None` without golds.

    For PRMs with rewards in [0, 1]; answers with a step that could not be scored are left out.
    """
    whole = [trial for trial in sample.trials if trial.rewards and None not in trial.rewards]
    lowest = [min(reward for reward in trial.rewards if reward is not None) for trial in whole]
    if not whole or not sample.is_labelled or not all(0 <= reward <= 1 for reward in lowest):
        return None
    right = [bool(trial.right) for trial in whole]
    bins = calibration_bins(lowest, right)
    return Reliability(bins, expected_calibration_error(bins), fit_isotonic(lowest, right))


def auroc(rewards: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the probability that a right step outranks a wrong one; ties count one half.

    Raises:
        InputError: The lengths differ, or one of the classes is missing.
    """
    _check(rewards, labels)
    right = sum(labels)
    wrong = len(labels) - right
    if not right or not wrong:
        raise InputError("AUROC needs both right and wrong steps.")
    wins, wrong_below = 0.0, 0
    for _, group in groupby(sorted(zip(rewards, labels, strict=True)), key=lambda pair: pair[0]):
        outcomes = [label for _, label in group]
        right_here = sum(outcomes)
        wrong_here = len(outcomes) - right_here
        wins += right_here * (wrong_below + wrong_here / 2)
        wrong_below += wrong_here
    return wins / (right * wrong)


def calibration_bins(
    rewards: Sequence[float], labels: Sequence[bool], *, bins: int = 10
) -> list[CalibrationBin]:
    """Group steps by reward into equal-width bins over [0, 1]; empty bins are left out.

    Raises:
        InputError: The lengths differ, there are no steps, or a reward is outside [0, 1].
    """
    _check(rewards, labels)
    if bins < 1 or not all(0 <= reward <= 1 for reward in rewards):
        raise InputError("Calibration bins need bins >= 1 and rewards in [0, 1].")
    members: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for reward, label in zip(rewards, labels, strict=True):
        members[min(int(reward * bins), bins - 1)].append((reward, label))
    return [
        CalibrationBin(
            index / bins,
            (index + 1) / bins,
            len(steps),
            fmean(reward for reward, _ in steps),
            wilson_interval(sum(label for _, label in steps), len(steps)),
        )
        for index, steps in enumerate(members)
        if steps
    ]


def expected_calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Return the mean gap between reward and accuracy, weighted by the steps in each bin."""
    total = sum(entry.count for entry in bins)
    return sum(e.count * abs(e.mean_reward - e.accuracy.value) for e in bins) / total


def fit_isotonic(rewards: Sequence[float], labels: Sequence[bool]) -> IsotonicMap:
    """Fit the best non-decreasing map from reward to probability (pool adjacent violators).

    Raises:
        InputError: The lengths differ, or there are no steps.
    """
    _check(rewards, labels)
    blocks: list[tuple[float, float, int]] = []  # smallest reward, labels summed, steps
    for edge, group in groupby(sorted(zip(rewards, labels, strict=True)), key=lambda pair: pair[0]):
        outcomes = [label for _, label in group]
        block = (edge, float(sum(outcomes)), len(outcomes))
        while blocks and blocks[-1][1] * block[2] >= block[1] * blocks[-1][2]:
            low, total, count = blocks.pop()
            block = (low, total + block[1], count + block[2])
        blocks.append(block)
    return IsotonicMap(
        tuple(edge for edge, _, _ in blocks), tuple(total / count for _, total, count in blocks)
    )


def _check(rewards: Sequence[float], labels: Sequence[bool]) -> None:
    if len(rewards) != len(labels) or not rewards:
        raise InputError(f"{len(rewards)} rewards do not pair with {len(labels)} labels.")
