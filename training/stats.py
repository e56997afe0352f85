"""The two statistics the results need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

Z_95 = 1.959964


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion; unlike the textbook one it is sane near 1."""
    share, z2 = successes / trials, Z_95**2
    centre = share + z2 / (2 * trials)
    spread = Z_95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials**2))
    scale = 1 + z2 / trials
    return (centre - spread) / scale, (centre + spread) / scale


def auroc(scores: Sequence[float], labels: Sequence[bool]) -> float:
    """Return the chance that a random positive outscores a random negative, ties counting half."""
    wins = 0.0
    negatives_below = 0
    for _, tied in groupby(sorted(zip(scores, labels, strict=True)), key=lambda pair: pair[0]):
        kinds = [label for _, label in tied]
        positives, negatives = sum(kinds), len(kinds) - sum(kinds)
        wins += positives * (negatives_below + negatives / 2)
        negatives_below += negatives
    return wins / (sum(labels) * negatives_below)
