"""Logistic regression of a handful of numbers, by Newton's method, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, pstdev

from rsd_graph.acceptance import sigmoid
from rsd_graph.errors import InputError

_ROUNDS = 50
_RIDGE = 1.0
"""Weight of the penalty on the squared weights of the standardised numbers: what keeps them finite
where the labels can be separated."""


def fit_logistic(
    rows: Sequence[Sequence[float]], labels: Sequence[bool]
) -> tuple[float, list[float]]:
    """Bias and weights, one for each number of a row, of the likeliest regression.

    Numbers are standardised for the fit; what is returned is for the numbers as they are.

    Raises:
        InputError: There are no rows, or all have one label.
    """
    if len({*labels}) < 2 or len(rows) != len(labels):
        raise InputError(
            "a verdict cannot be learned from one kind of step.",
            expected="steps that are good and steps that are not",
            hint="Add prompts that are harder for the draft, or raise delta.",
        )
    means = [fmean(column) for column in zip(*rows, strict=True)]
    spreads = [pstdev(column) or 1.0 for column in zip(*rows, strict=True)]
    standard = [
        [1.0, *((x - m) / s for x, m, s in zip(row, means, spreads, strict=True))] for row in rows
    ]
    weights = [0.0] * (len(means) + 1)
    for _ in range(_ROUNDS):
        step = _newton_step(standard, labels, weights)
        weights = [weight + change for weight, change in zip(weights, step, strict=True)]
        if max(map(abs, step)) < 1e-9:
            break
    scaled = [weight / spread for weight, spread in zip(weights[1:], spreads, strict=True)]
    bias = weights[0] - sum(w * m for w, m in zip(scaled, means, strict=True))
    return bias, scaled


def _newton_step(
    rows: Sequence[Sequence[float]], labels: Sequence[bool], weights: Sequence[float]
) -> list[float]:
    """The change of the weights that would end it, were the likelihood a parabola."""
    size = len(weights)
    penalty = [0.0] + [_RIDGE] * (size - 1)
    slope = [-p * w for p, w in zip(penalty, weights, strict=True)]
    bend = [[penalty[i] if i == j else 0.0 for j in range(size)] for i in range(size)]
    for row, label in zip(rows, labels, strict=True):
        chance = sigmoid(sum(w * x for w, x in zip(weights, row, strict=True)))
        error, spread = label - chance, chance * (1 - chance)
        for i in range(size):
            slope[i] += error * row[i]
            for j in range(size):
                bend[i][j] += spread * row[i] * row[j]
    return _solved(bend, slope)


def _solved(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> list[float]:
    """x where matrix x = right; the matrix is positive definite."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        for below in range(i + 1, size):
            factor = rows[below][i] / rows[i][i]
            rows[below] = [b - factor * a for a, b in zip(rows[i], rows[below], strict=True)]
    found = [0.0] * size
    for i in reversed(range(size)):
        known = math.fsum(rows[i][j] * found[j] for j in range(i + 1, size))
        found[i] = (rows[i][size] - known) / rows[i][i]
    return found
