"""omega and Algorithm 2."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsd_graph import (
    ConfigurationError,
    clipping,
    constant,
    hybrid,
    likelihood_ratio,
    logistic,
    reward_threshold,
    sigmoidal,
)
from rsd_graph.acceptance import accepted_run, seeded_uniform
from tests.helpers.scripted import Scripted, sources


@pytest.mark.parametrize(
    ("weighting", "reward", "expected"),
    [
        (constant(0.3), 0.9, 0.3),
        (reward_threshold(0.7), 0.7, 1.0),
        (reward_threshold(0.7), 0.6999, 0.0),
        (clipping(), 0.4, 0.4),
        (clipping(), -0.5, 0.0),
        (clipping(), 1.5, 1.0),
        (sigmoidal(), 1.0, 0.5),
        (sigmoidal(), 0.25, 0.2),
        (sigmoidal(), -0.5, 0.0),
        (sigmoidal(), -1.0, 0.0),
        (logistic(10, 0.7), 0.7, 0.5),
        (logistic(1e6, 0.7), 0.0, 0.0),
        (logistic(1e6, 0.7), 1.0, 1.0),
        (likelihood_ratio(1.0), math.log(0.5), 0.5),
        (likelihood_ratio(2.0), math.log(0.25), 0.5),
        (likelihood_ratio(1.0), 800.0, 1.0),
        (hybrid(2.0), 0.25, 0.5),
        (hybrid(2.0), 0.9, 1.0),
    ],
    ids=str,
)
def test_weighting_functions_have_the_papers_values(
    weighting: object, reward: float, expected: float
) -> None:
    """Table 1 of the paper and the two of the rebuttal, at hand-computed points."""
    assert weighting(reward) == pytest.approx(expected)  # type: ignore[operator]


@given(st.floats(0, 1), st.integers(0, 2**62), st.integers(0, 1000))
def test_omega_one_always_accepts_and_omega_zero_never(
    reward: float, seed: int, index: int
) -> None:
    """Algorithm 2 needs no special case: u is in [0, 1) and the comparison is strict."""
    always = accepted_run([reward], constant(1), seed=seed, first_index=index)
    never = accepted_run([reward], constant(0), seed=seed, first_index=index)

    assert (always, never) == (1, 0)


def test_an_unscored_step_is_rejected_even_by_omega_one() -> None:
    """A step without a reward is never accepted, whatever the criterion."""
    assert accepted_run([0.9, None, 0.9], constant(1), seed=0, first_index=0) == 1


def test_randomised_acceptance_has_the_stated_probability() -> None:
    """Clipping accepts a reward of 0.3 in 30 % of 20,000 draws, within five standard errors."""
    draws = 20_000
    accepted = sum(
        accepted_run([0.3], clipping(), seed=7, first_index=index) for index in range(draws)
    )

    assert accepted / draws == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / draws))


def test_u_is_a_pure_function_of_seed_and_step() -> None:
    """A resumed run decides the same; two steps or seeds do not share their u."""
    assert seeded_uniform(1, 2) == seeded_uniform(1, 2)
    assert len({seeded_uniform(seed, index) for seed in range(30) for index in range(30)}) == 900


async def test_any_plain_callable_is_an_acceptance_criterion() -> None:
    """A function of the reward that returns a bool is enough."""
    end = "end"
    run = Scripted(["a", "b"], [0.2, 0.9], [end, end], accept=lambda r: r < 0.5, limits=_two())

    assert sources(await run.answer()) == ["draft", "target"]


def _two() -> object:
    from rsd_graph import Limits

    return Limits(max_steps=2)


async def test_the_random_source_can_be_injected() -> None:
    """`uniform` replaces the source of u; here u is 0.5 at even steps and 0.05 at odd ones."""
    run = Scripted(
        ["a", "b"],
        [0.1, 0.1],
        ["A"],
        accept=clipping(),
        uniform=lambda seed, index: 0.05 if index % 2 else 0.5,
        limits=_two(),
    )

    assert sources(await run.answer()) == ["target", "draft"]


@pytest.mark.parametrize("weight", [1.5, -0.1, float("nan")])
def test_a_criterion_that_is_no_probability_is_refused(weight: float) -> None:
    """A custom criterion must return something in [0, 1]."""
    with pytest.raises(ConfigurationError, match="not a probability"):
        accepted_run([0.5], lambda reward: weight, seed=0, first_index=0)


@pytest.mark.parametrize(
    "build",
    [lambda: constant(1.1), lambda: logistic(0), lambda: hybrid(-1), lambda: likelihood_ratio(0)],
)
def test_impossible_parameters_are_refused(build: object) -> None:
    """Parameters outside their range never make it into a graph."""
    with pytest.raises(ConfigurationError):
        build()  # type: ignore[operator]


def test_a_weighting_prints_as_it_is_written() -> None:
    """The name goes into reports and cache keys."""
    assert str(logistic(8.0, 0.6)) == "logistic(alpha=8.0, delta=0.6)"
