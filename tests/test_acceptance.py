"""omega and Algorithm 2."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from rsd_graph import (
    ConfigurationError,
    RewardError,
    Weighting,
    clipping,
    constant,
    criterion,
    hybrid,
    likelihood_ratio,
    logistic,
    reward_threshold,
    sigmoidal,
)
from rsd_graph.acceptance import (
    CRITERIA,
    accepted_run,
    check_criterion,
    derive_seed,
    seeded_uniform,
    sigmoid,
)
from rsd_graph.plugins import Plugins
from tests.helpers.scripted import Scripted, sources


@pytest.mark.parametrize(
    ("make", "arguments", "reward", "expected"),
    [
        (constant, (0.3,), 0.9, 0.3),
        (reward_threshold, (0.7,), 0.7, 1.0),
        (reward_threshold, (0.7,), 0.6999, 0.0),
        (clipping, (), 0.4, 0.4),
        (clipping, (), -0.5, 0.0),
        (clipping, (), 1.5, 1.0),
        (sigmoidal, (), 1.0, 0.5),
        (sigmoidal, (), 0.25, 0.2),
        (sigmoidal, (), -0.5, 0.0),
        (sigmoidal, (), -1.0, 0.0),
        (logistic, (10, 0.7), 0.7, 0.5),
        (logistic, (0.5, 0.7), 0.5, 1 / (1 + math.exp(0.1))),
        (logistic, (1e6, 0.7), 0.0, 0.0),
        (logistic, (1e6, 0.7), 1.0, 1.0),
        (likelihood_ratio, (1.0,), math.log(0.5), 0.5),
        (likelihood_ratio, (2.0,), math.log(0.25), 0.5),
        (likelihood_ratio, (1.0,), 800.0, 1.0),
        (hybrid, (2.0,), 0.25, 0.5),
        (hybrid, (2.0,), 0.9, 1.0),
        (hybrid, (2.0,), -0.1, 0.0),
        (hybrid, (), 0.25, 0.25),
        (likelihood_ratio, (), math.log(0.5), 0.5),
        (reward_threshold, (), 0.7, 1.0),
        (reward_threshold, (), 0.69, 0.0),
        (logistic, (10,), 0.7, 0.5),
    ],
)
def test_weighting_functions_have_the_papers_values(
    make: Callable[..., Weighting], arguments: tuple[float, ...], reward: float, expected: float
) -> None:
    """Table 1 of the paper and the two of the rebuttal, at hand-computed points."""
    assert make(*arguments)(reward) == pytest.approx(expected)


@pytest.mark.parametrize(("x", "value"), [(-1e9, 0), (-2, 0.1192029), (0.5, 0.6224593), (1e9, 1)])
def test_the_sigmoid_overflows_at_neither_end(x: float, value: float) -> None:
    """Far out it is 0 or 1, as it should be."""
    assert sigmoid(x) == pytest.approx(value)


@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-53])
def test_omega_one_always_accepts_and_omega_zero_never(u: float) -> None:
    """Algorithm 2 needs no special case: u is in [0, 1) and the comparison is strict."""
    always = accepted_run([0.5], constant(1), seed=0, first_index=0, uniform=lambda *_: u)
    never = accepted_run([0.5], constant(0), seed=0, first_index=0, uniform=lambda *_: u)

    assert (always, never) == (1, 0)


def test_u_lies_in_its_half_open_interval() -> None:
    """Of 10,000 draws none is below 0 or as much as 1."""
    drawn = [seeded_uniform(seed, index) for seed in range(100) for index in range(100)]

    assert min(drawn) >= 0
    assert max(drawn) < 1


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
    """A resumed run decides the same in any version; two steps or seeds do not share their u."""
    assert seeded_uniform(1, 2) == 0.35832381342318076
    assert derive_seed(1, "draft", 2) == 7081067319314147209
    assert len({seeded_uniform(seed, index) for seed in range(30) for index in range(30)}) == 900


def test_every_step_of_a_run_has_its_own_draw_and_may_have_its_own_criterion() -> None:
    """u belongs to the step's index in the answer; a criterion to the reward beside it."""
    draws = {(7, 3): 0.1, (7, 4): 0.2, (7, 5): 0.9}
    run = partial(accepted_run, seed=7, first_index=3, uniform=lambda *key: draws[key])

    assert run([0.15, 0.25, 0.95], clipping()) == 3
    assert run([0.15, 0.25, 0.85], clipping()) == 2
    assert run([0.0, 0.25, 0.0], [constant(1), clipping(), constant(0.5)]) == 2


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


EXAMPLE = "Expected a function of the reward, such as lambda reward: reward > 0.5."


@pytest.mark.parametrize("weight", [1.5, -0.1, float("nan"), None, "0.5", [1.0], 1 + 0j])
def test_a_criterion_that_is_no_probability_is_refused(weight: Any) -> None:
    """A custom criterion must return something in [0, 1]; the error shows one that does."""

    def odd(reward: float) -> Any:
        return weight

    with pytest.raises(ConfigurationError) as caught:
        accepted_run([0.5], odd, seed=0, first_index=0)

    who = f"the acceptance criterion {odd.__qualname__}"
    assert str(caught.value) == (
        f"{who} returned {weight!r} for reward 0.5, which is not a probability. {EXAMPLE}"
    )


def test_a_named_criterion_is_named_with_its_parameters() -> None:
    """As it would be written in code."""
    odd = Weighting("odd", lambda reward: 2, {"alpha": 3.0})

    with pytest.raises(ConfigurationError, match=r"^the acceptance criterion odd\(alpha=3.0\) ret"):
        accepted_run([0.5], odd, seed=0, first_index=0)


def test_a_criterion_that_raises_is_the_cause() -> None:
    """A bug in somebody's rule is one of our errors; our own errors are themselves."""

    def broken(reward: float) -> float:
        return 1 / (reward - reward)

    def refusing(reward: float) -> float:
        raise RewardError("no.")

    with pytest.raises(ConfigurationError) as caught:
        accepted_run([0.5], broken, seed=0, first_index=0)
    with pytest.raises(RewardError, match=r"^no\.$"):
        accepted_run([0.5], refusing, seed=0, first_index=0)

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert str(caught.value) == (
        f"the acceptance criterion {broken.__qualname__} failed for reward 0.5: "
        f"ZeroDivisionError: float division by zero. {EXAMPLE}"
    )


async def waiting(reward: float) -> float:
    return reward


class Judge:
    """A criterion that is an object, and has no name of its own."""

    def __call__(self) -> float:
        raise AssertionError


ONE = "cannot be called with 1 argument:"


@pytest.mark.parametrize(
    ("accept", "complaint"),
    [
        (lambda reward, more: 1.0, f"<lambda> {ONE} missing a required argument: 'more'."),
        (lambda: 1.0, f"<lambda> {ONE} too many positional arguments."),
        (Judge(), f"Judge {ONE} too many positional arguments."),
        (0.7, f"float {ONE} 0.7 is not a callable object."),
        (waiting, "waiting is async."),
    ],
    ids=["two", "none", "object", "number", "async"],
)
def test_what_is_no_function_of_a_reward_is_refused_at_once(accept: Any, complaint: str) -> None:
    """When the graph is built, not at the first reward."""
    with pytest.raises(ConfigurationError) as caught:
        Scripted([], [], accept=accept)

    assert str(caught.value) == f"the acceptance criterion {complaint} {EXAMPLE}"


@pytest.mark.parametrize("delta", [-1.0, 1.0])
def test_a_threshold_may_lie_at_either_end_of_the_rewards(delta: float) -> None:
    """Beyond, it would always be reached, or never."""
    check_criterion(reward_threshold(delta), (-1.0, 1.0))
    check_criterion(lambda reward: reward > 5, (-1.0, 1.0))

    with pytest.raises(ConfigurationError) as caught:
        check_criterion(logistic(9, 2 * delta), (-1.0, 1.0))

    assert str(caught.value) == (
        f"prm: delta={2 * delta} is outside the PRM's reward range [-1.0, 1.0]. "
        "Expected -1.0 <= delta <= 1.0. "
        "Rewards are not portable between PRMs: choose delta on this PRM's own scale."
    )


def test_compiled_functions_are_criteria_too() -> None:
    """Not every callable has a signature that Python knows."""
    check_criterion(bool, (0.0, 1.0))
    assert accepted_run([0.5], math.floor, seed=0, first_index=0) == 0


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("logistic(alpha=10, delta=0.7)", "logistic(alpha=10.0, delta=0.7)"),
        ("logistic(10)", "logistic(alpha=10.0, delta=0.7)"),
        ("reward_threshold(-1)", "reward_threshold(delta=-1.0)"),
        (" clipping() ", "clipping()"),
        ("clipping", "clipping()"),
        ("sigmoidal", "sigmoidal()"),
        ("constant(0.3)", "constant(p=0.3)"),
        ("hybrid", "hybrid(beta=1.0)"),
        ("likelihood_ratio(alpha = 2)", "likelihood_ratio(alpha=2.0)"),
    ],
)
def test_a_criterion_by_name(text: str, written: str) -> None:
    """As it is written in code; and what it prints names the same one again."""
    named = criterion(text)

    assert str(named) == written
    assert criterion(str(named)) == named


def test_every_criterion_has_its_name() -> None:
    """All that Table 1 and the rebuttal know can be named."""
    arguments = {"constant": "(0.5)", "logistic": "(10)"}
    made = [criterion(name + arguments.get(name, "")) for name in CRITERIA.built_in]

    assert [each.name for each in made] == list(CRITERIA.built_in)
    assert all(isinstance(each, Weighting) for each in made)


def at_least(least: float, most: float = 1) -> Callable[[float], float]:
    """Somebody else's criterion."""
    return lambda reward: least <= reward <= most


def test_the_criterion_of_another_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any function of a reward will do; its name and what it was given are kept."""
    made = {"at_least": f"{__name__}:at_least", "list": "builtins:list"}
    monkeypatch.setattr("rsd_graph.acceptance.CRITERIA", Plugins("theirs", "criterion", made))

    theirs = criterion("at_least(0.5, most=0.9)")

    assert str(theirs) == "at_least(least=0.5, most=0.9)"
    assert [theirs(reward) for reward in (0.4, 0.5, 0.95)] == [False, True, False]
    with pytest.raises(ConfigurationError, match="the acceptance criterion list cannot be called"):
        criterion("list")


def test_a_text_that_is_no_criterion_is_shown_as_far_as_eighty_characters() -> None:
    """With what it should have been."""
    with pytest.raises(ConfigurationError) as caught:
        criterion("?" * 100)

    assert str(caught.value) == (
        f"'{'?' * 80}' is no acceptance criterion. "
        "Expected a name and numbers, such as logistic(alpha=10, delta=0.7)."
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("logistc(alpha=10)", "criterion 'logistc'. Expected one of clipping, constant, hybrid, "),
        ("logistc(alpha=10)", "Did you mean 'logistic'?"),
        ("logistic(alfa=10)", "unknown option 'alfa' of logistic. Expected one of alpha, delta."),
        ("logistic", "logistic needs a value for alpha."),
        ("logistic(1, 2, 3)", "logistic(1, 2, 3) cannot be used: too many positional arguments."),
        ("logistic(1, alpha=2)", "gives one argument twice"),
        ("logistic(alpha=1, alpha=2)", "is no acceptance criterion. Expected a name and numbers"),
        (
            "logistic('steep')",
            "option 'alpha' cannot be used with 'steep': input should be a valid",
        ),
        ("logistic(1e999)", "'alpha' cannot be used with inf: it must be finite."),
        ("logistic(0)", "logistic(alpha) needs a finite alpha > 0, got 0.0"),
        ("constant(2)", "constant(p) needs 0 <= p <= 1"),
        ("", "'' is no acceptance criterion."),
        ("0.7", "'0.7' is no acceptance criterion."),
        ("logistic(", "is no acceptance criterion."),
        ("logistic(alpha=print('!'))", "is no acceptance criterion."),
        ("__import__('os').system('true')", "is no acceptance criterion."),
        ("(lambda r: 1)(2)", "is no acceptance criterion."),
        ("logistic(*[1])", "is no acceptance criterion."),
        ("logistic(**{'alpha': 1})", "unknown option '**' of logistic."),
        ("(" * 5000, "is no acceptance criterion."),
        ("logistic(" + "-" * 5000 + "1)", "is no acceptance criterion."),
        ("\0", "is no acceptance criterion."),
    ],
    ids=range(22),
)
def test_a_text_that_names_no_criterion(text: str, complaint: str) -> None:
    """Nothing in it is run; the error says what there is."""
    with pytest.raises(ConfigurationError) as caught:
        criterion(text)

    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [lambda: constant(1.1), lambda: logistic(0), lambda: hybrid(-1), lambda: likelihood_ratio(0)],
)
def test_impossible_parameters_are_refused(build: object) -> None:
    """Parameters outside their range never make it into a graph."""
    with pytest.raises(ConfigurationError):
        build()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "wrong", "words"),
    [
        (constant, 1.1, "constant(p) needs 0 <= p <= 1, got 1.1"),
        (constant, -0.1, "constant(p) needs 0 <= p <= 1, got -0.1"),
        (reward_threshold, math.inf, "reward_threshold(delta) needs a finite delta, got inf"),
        (logistic, 0, "logistic(alpha) needs a finite alpha > 0, got 0"),
        (logistic, math.inf, "logistic(alpha) needs a finite alpha > 0, got inf"),
        (partial(logistic, 1), math.inf, "logistic(delta) needs a finite delta, got inf"),
        (likelihood_ratio, 0, "likelihood_ratio(alpha) needs alpha > 0, got 0"),
        (likelihood_ratio, math.inf, "likelihood_ratio(alpha) needs alpha > 0, got inf"),
        (hybrid, 0, "hybrid(beta) needs beta > 0, got 0"),
        (hybrid, math.inf, "hybrid(beta) needs beta > 0, got inf"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_it_must_be(
    make: Callable[..., Weighting], wrong: float, words: str
) -> None:
    """At the border itself, and in these words."""
    with pytest.raises(ConfigurationError) as refused:
        make(wrong)

    assert refused.value.message == words


@pytest.mark.parametrize(
    ("make", "arguments", "name", "parameters"),
    [
        (constant, (0.5,), "constant", {"p": 0.5}),
        (reward_threshold, (0.5,), "reward_threshold", {"delta": 0.5}),
        (clipping, (), "clipping", {}),
        (sigmoidal, (), "sigmoidal", {}),
        (logistic, (2, 0.5), "logistic", {"alpha": 2, "delta": 0.5}),
        (likelihood_ratio, (2,), "likelihood_ratio", {"alpha": 2}),
        (hybrid, (2,), "hybrid", {"beta": 2}),
    ],
)
def test_a_weighting_knows_its_name_and_parameters(
    make: Callable[..., Weighting], arguments: tuple[float, ...], name: str, parameters: Any
) -> None:
    """As traces and calibrations write them."""
    made = make(*arguments)

    assert (made.name, made.parameters) == (name, parameters)


def test_a_weighting_prints_as_it_is_written() -> None:
    """The name goes into reports and cache keys."""
    assert str(logistic(8.0, 0.6)) == "logistic(alpha=8.0, delta=0.6)"
