"""Intervals, tests and delta, against textbook values and against the truth they claim."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_graph.errors import InputError
from rsd_graph.lab.statistics import (
    Estimate,
    bootstrap_interval,
    bootstrap_ratio,
    choose_delta,
    compare_paired,
    dkw_margin,
    lower_bound,
    mcnemar_p_value,
    quantile,
    wilson_interval,
)


def test_wilson_matches_the_textbook() -> None:
    """8 of 10 at 95 %: [0.490, 0.943] (Wilson 1927 as tabulated everywhere)."""
    interval = wilson_interval(8, 10)

    assert interval.value == 0.8
    assert (round(interval.low, 4), round(interval.high, 4)) == (0.4902, 0.9433)


@pytest.mark.parametrize(("successes", "low", "high"), [(0, 0.0, 0.2775), (10, 0.7225, 1.0)])
def test_wilson_is_sound_at_the_ends(successes: int, low: float, high: float) -> None:
    """Ten of ten right is not certainty."""
    interval = wilson_interval(successes, 10)

    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(("successes", "count"), [(0, 0), (3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes: int, count: int) -> None:
    """No interval can be had from no questions."""
    with pytest.raises(InputError, match="Statistics cannot be computed"):
        wilson_interval(successes, count)


def test_a_lower_bound_is_one_sided() -> None:
    """8 of 10 reach 0.541 with confidence 95 %: the low end of the two-sided interval at 90 %."""
    assert round(lower_bound(8, 10), 4) == 0.5408
    assert lower_bound(8, 10) == pytest.approx(wilson_interval(8, 10, 0.9).low)
    assert lower_bound(8, 10, 0.5) == 0.8


@pytest.mark.parametrize("confidence", [0, 1, 2])
def test_no_bound_is_certain(confidence: float) -> None:
    """A confidence of 1 would need infinitely many questions."""
    with pytest.raises(InputError, match=f"a confidence of {confidence}"):
        lower_bound(8, 10, confidence)
    with pytest.raises(InputError, match=f"a confidence of {confidence}"):
        wilson_interval(8, 10, confidence)


def test_a_share_of_steps_is_as_sure_as_its_questions() -> None:
    """Twenty questions that go to the target wholly or not at all are twenty facts, not 200."""
    parts = [10.0, 0.0] * 10

    found = bootstrap_ratio(parts, [10] * 20)

    assert found.value == 0.5
    assert (found.low, found.high) == (pytest.approx(0.28, abs=0.04), pytest.approx(0.72, abs=0.04))
    assert bootstrap_ratio([1, 2], [2, 4]).low == bootstrap_ratio([1, 2], [2, 4]).high == 0.5


@pytest.mark.parametrize(("parts", "wholes"), [([], []), ([1.0], [1, 2]), ([0.0], [0])])
def test_a_share_of_nothing_is_refused(parts: list[float], wholes: list[float]) -> None:
    """No steps, no share."""
    with pytest.raises(InputError, match="Statistics cannot be computed"):
        bootstrap_ratio(parts, wholes)


def test_bootstrap_repeats_and_covers() -> None:
    """The same values give the same interval; it agrees with the normal one on 1,000 outcomes."""
    outcomes = [1.0] * 700 + [0.0] * 300

    interval = bootstrap_interval(outcomes)

    assert interval == bootstrap_interval(outcomes)
    assert interval.value == 0.7
    half = 1.96 * math.sqrt(0.7 * 0.3 / 1000)
    assert interval.low == pytest.approx(0.7 - half, abs=0.006)
    assert interval.high == pytest.approx(0.7 + half, abs=0.006)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 9, 0.021484375), (10, 0, 2 / 1024), (600, 1000, 0.0)],
)
def test_mcnemar_is_exact(first: int, second: int, p: float) -> None:
    """Two-sided binomial values, and no overflow for thousands of questions."""
    assert mcnemar_p_value(first, second) == pytest.approx(p, abs=1e-12)


def test_pairing_sees_what_separate_intervals_miss() -> None:
    """Nine questions gained and none lost is significant, though the accuracies overlap."""
    first = [True] * 59 + [False] * 41
    second = [True] * 50 + [False] * 50

    result = compare_paired(first, second)

    assert (result.only_first, result.only_second) == (9, 0)
    assert result.difference.value == pytest.approx(0.09)
    assert result.difference.low > 0
    assert result.p_value == 2 / 2**9


def test_arms_must_answer_the_same_questions() -> None:
    """A shorter arm cannot be paired."""
    with pytest.raises(InputError, match="arms of 1 and 2 questions"):
        compare_paired([True], [True, False])


@pytest.mark.parametrize(("q", "value"), [(0, 1), (0.2, 1), (0.21, 2), (0.5, 3), (1, 5)])
def test_quantile_is_a_value_of_the_sample(q: float, value: float) -> None:
    """The smallest value with at least a share q at or below it."""
    assert quantile([5, 3, 1, 2, 4], q) == value


def test_delta_is_the_gamma_quantile_of_the_rewards() -> None:
    """Of rewards 0.00 to 0.99, a quarter lies below 0.25 (Proposition 2.3)."""
    choice = choose_delta([n / 100 for n in range(100)], 0.25, confidence=None)

    assert (choice.delta, choice.share, choice.share_bound) == (0.25, 0.25, 0.25)


def test_tied_rewards_are_kept_within_the_budget() -> None:
    """When most rewards are equal, rejecting that value would break the budget."""
    choice = choose_delta([0.1] + [0.9] * 99, 0.5, confidence=None)

    assert (choice.delta, choice.share) == (0.9, 0.01)


def test_a_small_sample_promises_nothing() -> None:
    """The error says how many rewards the promise takes."""
    with pytest.raises(InputError, match="at least 38 rewards"):
        choose_delta([0.5] * 10, 0.2)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=200, max_size=400), st.floats(0.2, 0.9))
def test_the_sample_never_exceeds_the_budget(rewards: list[float], gamma: float) -> None:
    """Whatever the rewards, the bound that is promised is within gamma."""
    choice = choose_delta(rewards, gamma)

    assert choice.share_bound <= gamma + 1e-9
    assert choice.share == sum(r < choice.delta for r in rewards) / len(rewards)


def test_the_promise_holds_at_its_confidence() -> None:
    """With uniform rewards the true share below delta is delta: at most 5 % of samples exceed."""
    rng = random.Random(0)
    exceeded = sum(
        choose_delta([rng.random() for _ in range(300)], 0.3).delta > 0.3 for _ in range(200)
    )

    assert exceeded <= 10
    assert dkw_margin(300) == pytest.approx(0.0707, abs=1e-4)


@pytest.fixture(scope="module")
def stats() -> Any:
    """`scipy.stats`, which only tests need: what it says is what ours must say."""
    return pytest.importorskip("scipy.stats", reason="the oracle of these tests")


COUNTS = st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
CONFIDENCES = st.floats(0.5, 0.999)


@settings(deadline=None)
@given(COUNTS, CONFIDENCES)
def test_wilson_agrees_with_scipy(stats: Any, counts: tuple[int, int], confidence: float) -> None:
    """Two-sided, and one-sided below."""
    two = stats.binomtest(*counts).proportion_ci(confidence, "wilson")
    one = stats.binomtest(*counts, alternative="greater").proportion_ci(confidence, "wilson")

    found = wilson_interval(*counts, confidence)

    assert (found.low, found.high) == (pytest.approx(two.low), pytest.approx(two.high))
    assert lower_bound(*counts, confidence) == pytest.approx(one.low, abs=1e-12)


@settings(deadline=None)
@given(st.integers(0, 500), st.integers(0, 500))
def test_mcnemar_agrees_with_scipys_binomial_test(stats: Any, first: int, second: int) -> None:
    """Two-sided, exact."""
    n = first + second

    expected = stats.binomtest(first, n, 0.5).pvalue if n else 1.0

    assert mcnemar_p_value(first, second) == pytest.approx(expected, rel=1e-9)


@settings(deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=60), st.integers(0, 100))
def test_quantiles_agree_with_numpy(values: list[float], percent: int) -> None:
    """The inverted empirical distribution: always a value of the sample."""
    numpy = pytest.importorskip("numpy")

    expected = numpy.quantile(values, percent / 100, method="inverted_cdf")

    assert quantile(values, percent / 100) == expected


@pytest.mark.parametrize("seed", range(5))
def test_bootstrap_intervals_agree_with_scipy(stats: Any, seed: int) -> None:
    """Of a mean, a paired difference and a ratio: within what 2,000 resamples leave to chance."""
    numpy = pytest.importorskip("numpy")
    rng = numpy.random.default_rng(seed)
    wholes = rng.integers(1, 9, 120).astype(float)
    parts = rng.binomial(wholes.astype(int), 0.3).astype(float)
    first, second = rng.random(120) < 0.7, rng.random(120) < 0.5

    def oracle(statistic: Any, *samples: Any) -> Any:
        options = {"method": "percentile", "paired": True, "n_resamples": 4000, "rng": rng}
        return stats.bootstrap(samples, statistic, **options)

    def same(ours: Estimate, found: Any) -> bool:
        ends = found.confidence_interval
        chance = 0.4 * found.standard_error
        return bool(abs(ours.low - ends.low) < chance and abs(ours.high - ends.high) < chance)

    def difference(a: Any, b: Any, axis: int) -> Any:
        return numpy.mean(a.astype(float) - b.astype(float), axis=axis)

    def ratio(part: Any, whole: Any, axis: int) -> Any:
        return part.sum(axis=axis) / whole.sum(axis=axis)

    assert same(bootstrap_interval(list(parts)), oracle(numpy.mean, parts))
    assert same(compare_paired(first, second).difference, oracle(difference, first, second))
    assert same(bootstrap_ratio(parts, wholes), oracle(ratio, parts, wholes))


@settings(deadline=None)
@given(st.integers(1, 5000), st.floats(0.5, 0.999))
def test_the_margin_covers_the_exact_one_sided_distance(
    stats: Any, count: int, confidence: float
) -> None:
    """Never less than Kolmogorov and Smirnov's exact quantile, and hardly more for many rewards."""
    exact = stats.ksone.isf(1 - confidence, count)

    margin = dkw_margin(count, confidence)

    assert margin >= exact - 1e-9
    assert count < 100 or margin <= 1.1 * exact


@settings(deadline=None)
@given(st.lists(st.integers(0, 20), min_size=300, max_size=400), st.floats(0.2, 0.9))
def test_delta_is_the_largest_within_the_budget(rewards: list[int], gamma: float) -> None:
    """No reward of the sample above it would keep the promise."""
    numpy = pytest.importorskip("numpy")
    values, allowed = numpy.array(rewards), gamma - dkw_margin(len(rewards))

    delta = choose_delta([float(reward) for reward in rewards], gamma).delta
    larger = [value for value in numpy.unique(values) if value > delta]

    assert (values < delta).mean() <= allowed + 1e-9
    assert all((values < value).mean() > allowed - 1e-9 for value in larger)
