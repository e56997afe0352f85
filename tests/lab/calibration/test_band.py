"""Which probabilities are sure enough to do without the PRM."""

from __future__ import annotations

import pytest

from rsd_graph.lab.calibration.band import Band, tried, unsure_band

TOLD = [
    [(0.99, True), (0.6, True)],
    [(0.98, True), (0.95, False)],
    [(0.97, True), (0.8, False)],
    [(0.9, True), (0.05, False)],
]
"""Four answers; their worst bad steps have 0.95, 0.8 and 0.05."""


@pytest.mark.parametrize(
    ("slip", "high"),
    [
        (0.0, 0.97),  # the lowest above the bad step at 0.95
        (0.25, 0.9),  # one answer in four may slip: above that at 0.8
        (0.5, 0.7),  # two may: never below delta
        (0.99, 0.7),
    ],
)
def test_the_upper_end_keeps_the_slips_within_their_share(slip: float, high: float) -> None:
    """It is the lowest that does, on these answers."""
    found = unsure_band(TOLD, slip, delta=0.7)

    assert found[1] == high
    assert tried(TOLD, found).slipped <= slip


def test_the_lower_end_wastes_one_step_in_ten_at_most() -> None:
    """Below it nearly all are bad."""
    told = [[(n / 100, n >= 40 or n == 20)] for n in range(100)]

    low, _ = unsure_band(told, 0.0, delta=0.5)

    assert low == pytest.approx(0.43)  # of the 43 below it, 4 are good
    assert tried(told, (low, 1.0)).wasted <= 0.1


def test_what_a_band_does() -> None:
    """Shares of steps, and of answers for slips."""
    found = tried(TOLD, (0.1, 0.9))

    assert found == Band(asked=0.25, accepted=0.625, rejected=0.125, slipped=0.25, wasted=0.0)


def test_answers_without_a_bad_step_need_no_prm() -> None:
    """But delta still decides."""
    assert unsure_band([[(0.8, True)], [(0.9, True)]], 0.0, delta=0.7) == (0.0, 0.7)
