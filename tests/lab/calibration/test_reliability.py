"""Reading a reward as a probability."""

from __future__ import annotations

from statistics import fmean
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rsd_graph.errors import InputError
from rsd_graph.lab.calibration.one_pass import Sample, Trial
from rsd_graph.lab.calibration.reliability import (
    IsotonicMap,
    auroc,
    calibration_bins,
    expected_calibration_error,
    fit_isotonic,
    reliability,
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


def test_isotonic_pools_what_falls() -> None:
    """1,0 out of order becomes 1/2,1/2; what rises is kept."""
    calibrated = fit_isotonic([0.1, 0.2, 0.3, 0.4], [False, True, False, True])

    assert [calibrated(r) for r in (0.0, 0.1, 0.2, 0.3, 0.35, 0.4, 1.0)] == [
        0.0, 0.0, 0.5, 0.5, 0.5, 1.0, 1.0,
    ]  # fmt: skip


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_isotonic_never_falls_and_keeps_the_mean(steps: list[tuple[float, bool]]) -> None:
    """The map is monotone, and on its own sample it is calibrated in the mean."""
    rewards, labels = [r for r, _ in steps], [label for _, label in steps]

    calibrated = fit_isotonic(rewards, labels)

    assert list(calibrated.values) == sorted(calibrated.values)
    assert sum(map(calibrated, rewards)) == pytest.approx(sum(labels))


def trial(*rewards: float | None, right: bool | None = None) -> Trial:
    return Trial("q", rewards, [1] * len(rewards), right)


def test_reliability_reads_an_answers_lowest_reward_as_a_probability() -> None:
    """Bins, the gap, and a map that never falls; nothing without golds or beyond [0, 1]."""
    rights = [((0.9, 0.2), False), ((0.9,), True), ((0.8,), True), ((0.85,), False)]
    sample = Sample([trial(*rewards, right=right) for rewards, right in rights])

    found = reliability(sample)

    assert found is not None
    assert [entry.count for entry in found.bins] == [1, 2, 1]
    assert found.isotonic == IsotonicMap(edges=(0.2, 0.8, 0.9), values=(0.0, 0.5, 1.0))
    assert reliability(Sample([trial(0.5)])) is None
    assert reliability(Sample([trial(-1.5, right=True)])) is None


def test_an_answer_that_was_cut_off_has_no_reliability() -> None:
    """Its lowest reward is unknown: it is left out, and the others count."""
    found = reliability(Sample([trial(0.9, right=True), trial(0.1, None, right=False)]))

    assert found is not None
    assert sum(entry.count for entry in found.bins) == 1


@pytest.fixture(scope="module")
def scipy() -> Any:
    """Used in tests only: what it says is what ours must say."""
    for part in ("scipy.optimize", "scipy.stats"):
        pytest.importorskip(part, reason="the oracle of these tests")
    return pytest.importorskip("scipy")


STEPS = st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=80)
"""Rewards in twentieths, so that many are equal."""


@settings(deadline=None)
@given(STEPS)
def test_auroc_agrees_with_mann_and_whitney(scipy: Any, steps: list[tuple[int, bool]]) -> None:
    """U over all pairs, ties counted half."""
    right = [reward / 20 for reward, label in steps if label]
    wrong = [reward / 20 for reward, label in steps if not label]
    assume(right and wrong)

    u = scipy.stats.mannwhitneyu(right, wrong).statistic

    found = auroc([*right, *wrong], [True] * len(right) + [False] * len(wrong))
    assert found == pytest.approx(u / (len(right) * len(wrong)))


@settings(deadline=None)
@given(STEPS)
def test_isotonic_agrees_with_scipy(scipy: Any, steps: list[tuple[int, bool]]) -> None:
    """Equal rewards are one point, weighted by how many they are."""
    rewards = sorted({reward for reward, _ in steps})
    groups = [[label for reward, label in steps if reward == value] for value in rewards]
    means, weights = [fmean(group) for group in groups], [len(group) for group in groups]

    expected = scipy.optimize.isotonic_regression(means, weights=weights).x

    calibrated = fit_isotonic([r / 20 for r, _ in steps], [label for _, label in steps])
    assert [calibrated(reward / 20) for reward in rewards] == pytest.approx(list(expected))


@settings(deadline=None)
@given(STEPS)
def test_bins_agree_with_scipy(scipy: Any, steps: list[tuple[int, bool]]) -> None:
    """Counts, mean rewards and accuracies of the same equal-width bins."""
    rewards, labels = [reward / 20 for reward, _ in steps], [label for _, label in steps]
    edges = [index / 10 for index in range(11)]

    def binned(values: list[Any], statistic: str) -> list[float]:
        found = scipy.stats.binned_statistic(rewards, values, statistic, edges).statistic
        return [value for value in found.tolist() if value == value and value != 0]

    bins = calibration_bins(rewards, labels)

    assert [entry.count for entry in bins] == binned(rewards, "count")
    assert [e.mean_reward for e in bins if e.mean_reward] == pytest.approx(binned(rewards, "mean"))
    shares = [entry.accuracy.value for entry in bins if entry.accuracy.value]
    assert shares == pytest.approx(binned([float(label) for label in labels], "mean"))
