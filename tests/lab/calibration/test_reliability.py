"""Reading a reward as a probability."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsd_graph.errors import InputError
from rsd_graph.lab.calibration.reliability import (
    auroc,
    brier,
    calibration_bins,
    expected_calibration_error,
    fit_isotonic,
)

REWARDS = [0.1, 0.4, 0.35, 0.8]
LABELS = [False, False, True, True]


def test_auroc_counts_ordered_pairs() -> None:
    """Three of four pairs are in order."""
    assert auroc(REWARDS, LABELS) == 0.75


def test_ties_count_one_half() -> None:
    """A constant PRM ranks nothing."""
    assert auroc([0.5] * 4, LABELS) == 0.5


@pytest.mark.parametrize("labels", [[True] * 4, [False] * 4, [True]])
def test_auroc_needs_both_classes(labels: list[bool]) -> None:
    """Without wrong steps there is nothing to rank above."""
    with pytest.raises(InputError):
        auroc(REWARDS, labels)


def test_bins_hold_every_step_once() -> None:
    """A reward of exactly 1 belongs to the last bin, and empty bins are left out."""
    bins = calibration_bins([0.05, 0.95, 1.0, 0.9], [False, True, True, False])

    assert [(b.low, b.high, b.count) for b in bins] == [(0.0, 0.1, 1), (0.9, 1.0, 3)]
    assert bins[1].mean_reward == pytest.approx(0.95)
    assert bins[1].accuracy.value == pytest.approx(2 / 3)
    assert expected_calibration_error(bins) == pytest.approx((0.05 + 3 * (0.95 - 2 / 3)) / 4)


def test_rewards_outside_the_unit_interval_are_refused() -> None:
    """A raw logit is not a probability to be binned."""
    with pytest.raises(InputError, match=r"rewards in \[0, 1\]"):
        calibration_bins([1.5], [True])


def test_brier_is_the_squared_distance() -> None:
    """Perfect is 0, a shrug is 0.25."""
    assert brier([1.0, 0.0], [True, False]) == 0
    assert brier([0.5, 0.5], [True, False]) == 0.25


def test_isotonic_pools_what_falls() -> None:
    """1,0 out of order becomes 1/2,1/2; what rises is kept."""
    calibrated = fit_isotonic([0.1, 0.2, 0.3, 0.4], [False, True, False, True])

    assert [calibrated(r) for r in (0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 1.0)] == [
        0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0,
    ]  # fmt: skip


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_isotonic_never_falls_and_keeps_the_mean(steps: list[tuple[float, bool]]) -> None:
    """The map is monotone, and on its own sample it is calibrated in the mean."""
    rewards, labels = [r for r, _ in steps], [label for _, label in steps]

    calibrated = fit_isotonic(rewards, labels)

    assert list(calibrated.values) == sorted(calibrated.values)
    assert sum(map(calibrated, rewards)) == pytest.approx(sum(labels))
