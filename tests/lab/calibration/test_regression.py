"""Logistic regression in plain Python, checked against scipy."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from rsd_graph import InputError
from rsd_graph.lab.calibration.regression import fit_logistic


def drawn(count: int, seed: int) -> tuple[list[list[float]], list[bool]]:
    """Rows on unlike scales, and labels that follow the first and the second number."""
    rng = random.Random(seed)
    rows = [[rng.gauss(0, 1), rng.gauss(50, 20), rng.random()] for _ in range(count)]
    chances = (1 / (1 + math.exp(-(1.5 * a - 0.05 * (b - 50)))) for a, b, _ in rows)
    return rows, [rng.random() < chance for chance in chances]


def test_it_finds_the_weights_the_labels_were_drawn_with() -> None:
    """On the scale the numbers have, as near as 4,000 labels tell."""
    bias, weights = fit_logistic(*drawn(4000, seed=1))

    assert weights[0] == pytest.approx(1.5, abs=0.2)
    assert weights[1] == pytest.approx(-0.05, abs=0.01)
    assert weights[2] == pytest.approx(0.0, abs=0.5)
    assert bias == pytest.approx(2.5, abs=0.6)


@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_scipys_minimum(seed: int) -> None:
    """The penalised likelihood has one maximum, whoever looks for it."""
    optimize: Any = pytest.importorskip("scipy.optimize", reason="the oracle of this test")
    numpy: Any = pytest.importorskip("numpy")
    rows, labels = drawn(200, seed)
    table, truth = numpy.array(rows), numpy.array(labels)
    standard = (table - table.mean(axis=0)) / table.std(axis=0)

    def loss(w: Any) -> float:
        odds = w[0] + standard @ w[1:]
        likelihood = numpy.logaddexp(0, numpy.where(truth, -odds, odds)).sum()
        return float(likelihood + (w[1:] ** 2).sum() / 2)

    best = optimize.minimize(loss, numpy.zeros(4), tol=1e-12).x
    bias, weights = fit_logistic(rows, labels)

    assert weights == pytest.approx(list(best[1:] / table.std(axis=0)), abs=1e-4)
    assert bias + table.mean(axis=0) @ weights == pytest.approx(best[0], abs=1e-4)


def test_what_can_be_separated_has_finite_weights() -> None:
    """And a number that never changes has none."""
    rows = [[float(n), 7.0] for n in range(20)]

    bias, weights = fit_logistic(rows, [n >= 10 for n in range(20)])

    assert 0 < weights[0] < 2
    assert weights[1] == 0
    assert bias == pytest.approx(-9.5 * weights[0])


@pytest.mark.parametrize("labels", [[], [True, True]])
def test_one_kind_of_step_teaches_nothing(labels: list[bool]) -> None:
    """The error says what is missing."""
    with pytest.raises(InputError, match="one kind of step"):
        fit_logistic([[1.0] for _ in labels], labels)
