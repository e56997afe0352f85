"""What a measured accuracy is worth: intervals, paired tests, and delta from a sample of rewards.

Everything is plain Python and deterministic: resampling has a fixed seed and repeats exactly.
Outcomes are `bool`s or numbers, one per question, and paired functions expect both arms in the
same order of questions.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

from rsd_graph.errors import InputError


@dataclass(frozen=True)
class Estimate:
    """A value and the interval that covers the truth with probability `confidence`."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """How much better the first arm is on the same questions.

    Attributes:
        difference: Mean of first minus second, with its paired bootstrap interval.
        only_first: Questions only the first arm gets right.
        only_second: Questions only the second arm gets right.
        p_value: Two-sided exact McNemar test of "neither arm is better".
    """

    difference: Estimate
    only_first: int
    only_second: int
    p_value: float


@dataclass(frozen=True)
class DeltaChoice:
    """A threshold that keeps the share of target calls within a budget.

    Attributes:
        delta: Accept a draft step iff its reward is at least this.
        gamma: The budget: at most this share of steps may go to the target.
        share: Share of the sample's rewards below delta.
        share_bound: The true share is at most this, with probability `confidence`.
        confidence: Of the bound.
        count: Rewards the choice rests on.
    """

    delta: float
    gamma: float
    share: float
    share_bound: float
    confidence: float
    count: int


def wilson_interval(successes: int, count: int, confidence: float = 0.95) -> Estimate:
    """Return a proportion with its Wilson interval, sound for few questions and near 0 and 1.

    Raises:
        InputError: There are no questions, or more successes than questions.
    """
    _require(0 < confidence < 1, f"a confidence of {confidence}")
    return Estimate(*_wilson(successes, count, (1 + confidence) / 2), confidence)


def lower_bound(successes: int, count: int, confidence: float = 0.95) -> float:
    """Return what a proportion reaches at least, with probability *confidence* (Wilson, one-sided).

    Raises:
        InputError: There are no questions, or more successes than questions.
    """
    _require(0 < confidence < 1, f"a confidence of {confidence}")
    return _wilson(successes, count, confidence)[1]


def _wilson(successes: int, count: int, q: float) -> tuple[float, float, float]:
    """The proportion, and the interval up to the *q*-quantile on either side."""
    _require(0 <= successes <= count and count > 0, f"{successes} successes of {count} questions")
    z = NormalDist().inv_cdf(q)
    p = successes / count
    centre = (p + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(p * (1 - p) / count + (z / (2 * count)) ** 2)
    # At the ends the interval is exact; rounding must not move it past the value itself.
    return p, max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def bootstrap_interval(values: Sequence[float]) -> Estimate:
    """Return the mean of *values* with its percentile bootstrap interval, from 2,000 resamples.

    Raises:
        InputError: There are no values.
    """
    _require(len(values) > 0, "no values")
    rng = random.Random(0)
    means = sorted(fmean(rng.choices(values, k=len(values))) for _ in range(2000))
    return Estimate(fmean(values), quantile(means, 0.025), quantile(means, 0.975))


def bootstrap_ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Return the sum of *parts* over that of *wholes*, with an interval over the pairs.

    For shares of steps, where steps of one question go together. The interval is that of the
    linearised ratio.

    Raises:
        InputError: The lengths differ, or there is no whole.
    """
    whole = sum(wholes)
    _require(len(parts) == len(wholes) and whole > 0, f"{len(parts)} parts of {whole}")
    ratio, mean = sum(parts) / whole, whole / len(wholes)
    linear = [ratio + (part - ratio * of) / mean for part, of in zip(parts, wholes, strict=True)]
    found = bootstrap_interval(linear)
    return Estimate(ratio, max(0.0, found.low), min(1.0, found.high))


def compare_paired(first: Sequence[bool], second: Sequence[bool]) -> PairedDifference:
    """Compare two arms on the same questions.

    Raises:
        InputError: The arms differ in length, or are empty.
    """
    _require(len(first) == len(second), f"arms of {len(first)} and {len(second)} questions")
    differences = [float(a) - float(b) for a, b in zip(first, second, strict=True)]
    only_first, only_second = differences.count(1.0), differences.count(-1.0)
    p_value = mcnemar_p_value(only_first, only_second)
    return PairedDifference(bootstrap_interval(differences), only_first, only_second, p_value)


def mcnemar_p_value(only_first: int, only_second: int) -> float:
    """Two-sided exact McNemar test: are the questions only one arm gets right a fair coin?"""
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, float(2 * tail / 2**n))  # integer division: no overflow, no rounding


def quantile(values: Sequence[float], q: float) -> float:
    """Return the *q*-quantile: the smallest value with at least a share *q* at or below it.

    Raises:
        InputError: There are no values, or *q* is not in [0, 1].
    """
    _require(len(values) > 0, "no values")
    _require(0 <= q <= 1, f"a quantile of {q}")
    return sorted(values)[max(0, math.ceil(q * len(values) - 1e-9) - 1)]


def dkw_margin(count: int, confidence: float = 0.95) -> float:
    """Return how far the true distribution may lie above the sampled one, anywhere at once.

    The one-sided inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant. It holds
    for all thresholds together, so delta may be picked after looking at the whole sweep.
    """
    _require(count > 0, "no values")
    return math.sqrt(-math.log(1 - confidence) / (2 * count))


def choose_delta(
    rewards: Sequence[float], gamma: float, *, confidence: float | None = 0.95
) -> DeltaChoice:
    """Choose the largest delta that sends at most a share *gamma* of draft steps to the target.

    Proposition 2.3 of the paper: delta is the gamma-quantile of the draft's rewards. A quantile of
    a sample may miss the budget, so the sample is asked for `gamma - dkw_margin` instead.

    Args:
        rewards: Of draft steps, a sample of what will be met later; minus infinity for a step that
            goes to the target at every delta.
        gamma: The budget, in (0, 1).
        confidence: Of keeping the budget; `None` takes the sample for the truth.

    Raises:
        InputError: The sample is too small to promise *gamma*, or gamma is out of range.
    """
    _require(0 < gamma < 1, f"a budget gamma of {gamma}")
    _require(len(rewards) > 0, "no rewards")
    _require(all(reward < math.inf for reward in rewards), "rewards that are no numbers")
    margin = 0.0 if confidence is None else dkw_margin(len(rewards), confidence)
    if margin >= gamma:
        needed = math.floor(-math.log(1 - (confidence or 0.0)) / (2 * gamma**2)) + 1
        raise InputError(
            f"{len(rewards)} rewards cannot promise a target share of {gamma}.",
            expected=f"at least {needed} rewards at confidence {confidence}",
            hint="Collect more steps, allow a larger target share, or lower the confidence.",
        )
    # Everything below the k-th smallest is rejected: at most k rewards, ties stay accepted.
    ordered = sorted(rewards)
    delta = ordered[math.floor((gamma - margin) * len(ordered) + 1e-9)]
    if math.isinf(delta):
        raise InputError(
            f"{ordered.count(delta)} of {len(ordered)} steps go to the target at every delta.",
            expected=f"at most a share of {gamma - margin:.3f}, to keep a budget of {gamma}",
            hint="They are blank or cut off: allow longer steps (max_step_tokens).",
        )
    share = sum(reward < delta for reward in ordered) / len(ordered)
    bound = min(1.0, share + margin)
    return DeltaChoice(delta, gamma, share, bound, confidence or 0.0, len(ordered))


def _require(condition: bool, found: str) -> None:
    if not condition:
        raise InputError(f"Statistics cannot be computed from {found}.")
