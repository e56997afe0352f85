"""Every option is declared once: whoever holds it takes type, default and check from there."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from rsd_graph import ConfigurationError, Limits, Sampling, ScriptedStepModel, create_rsd_graph
from rsd_graph.answer.options import (
    Options,
    checked,
    declared,
    did_you_mean,
    names_of,
    picked,
    settable_in,
)
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.lookahead import Drafter
from tests.helpers.scripted import Scripted

NOBODY = ScriptedStepModel([])


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("delta", "0.5", 0.5),
        ("delta", "calibrated.json", "calibrated.json"),
        ("accept", "logistic(alpha=10, delta=0.7)", "logistic(alpha=10, delta=0.7)"),
        ("max_tokens", "9", 9),
        ("lookahead", "2", 2),
        ("lookahead", "auto", "auto"),
        ("on_prm_error", "target", "target"),
        ("step_separator", "\n", "\n"),
        ("hedge", "0", 0.0),
    ],
)
def test_text_is_read_as_what_it_stands_for(name: str, text: str, value: object) -> None:
    """Flags and the environment give text."""
    assert checked(name, text) == value


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("delta", "high", "delta='high' cannot be used: it is neither a number nor a calibration"),
        ("delta", float("nan"), "delta=nan cannot be used"),
        ("accept", "logistc(alpha=1)", "accept='logistc(alpha=1)' cannot be used"),
        ("temperature", 2.5, "temperature=2.5 cannot be used: input should be less than or equal"),
        ("top_p", 0.0, "top_p=0.0 cannot be used: input should be greater than 0"),
        ("max_steps", 0, "max_steps=0 cannot be used: input should be greater than or equal to 1"),
        ("step_separator", "", "step_separator='' cannot be used"),
        ("on_prm_error", "ignore", "on_prm_error='ignore' cannot be used: input should be 'raise'"),
        ("lookahead", -1, "lookahead=-1 cannot be used"),
        ("max_waste", 1.5, "max_waste=1.5 cannot be used"),
        ("hedge", -1.0, "hedge=-1.0 cannot be used"),
        ("parameters", {"draft": 1.0}, "parameters cannot be used: it needs one number each"),
        ("api_key", 7, "api_key cannot be used"),
        ("dleta", 0.5, "there is no option 'dleta'. Did you mean 'delta'?"),
    ],
)
def test_what_an_option_cannot_be_is_refused(name: str, value: object, complaint: str) -> None:
    """By name, with the value if that is no secret, and with what is expected."""
    with pytest.raises(ConfigurationError) as caught:
        checked(name, value)

    assert str(caught.value).startswith(complaint)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Sampling(temperature=9),
        lambda: Sampling(top_k=-1),
        lambda: Limits(max_tokens=0),
        lambda: Limits(max_repeats=0),
        lambda: Drafter(NOBODY, -1),
        lambda: Drafter(NOBODY, "auto", max_waste=2),
        lambda: Hedge(NOBODY, 1.5),
        lambda: Scripted([], [], step_separator=""),
        lambda: Scripted([], [], on_prm_error="ignore"),
        lambda: Scripted([], [], lookahead=-1),
    ],
)
def test_whoever_takes_an_option_checks_it(make: Callable[[], object]) -> None:
    """The graph and its parts refuse what `ChatRSD` refuses, before anything is spent."""
    with pytest.raises(ConfigurationError, match="cannot be used"):
        make()


@pytest.mark.parametrize("holder", [Sampling, Limits, create_rsd_graph, Drafter, Hedge])
def test_defaults_agree_wherever_an_option_is_taken(holder: Callable[..., object]) -> None:
    """A signature shows the default that the declaration has."""
    taken = {
        name: parameter.default
        for name, parameter in inspect.signature(holder).parameters.items()
        if name in declared() and name != "accept"
    }

    assert taken == {name: getattr(Options(), name) for name in taken}


def test_settings_are_picked_by_their_names() -> None:
    """A dataclass of options takes each from whoever has them."""
    options = Options(top_p=0.9, max_steps=3)

    assert picked(Sampling, options) == Sampling(top_p=0.9)
    assert picked(Limits, options) == Limits(max_steps=3)


def test_numbers_as_text_become_numbers() -> None:
    """A server is never sent a number in quotes."""
    values: Any = {"temperature": "0.5"}

    assert Sampling(**values).temperature == 0.5


def test_every_option_has_words_and_a_part() -> None:
    """Help, docs and caches need both."""
    parts = [names_of(part) for part in ("answer", "waiting", "connection", "report")]

    assert {name for part in parts for name in part} == {*Options.model_fields}
    assert [n for n, field in Options.model_fields.items() if not field.description] == []


def test_a_key_is_said_in_code_only() -> None:
    """Neither in a file nor on a command line that others can read."""
    assert "api_key" not in {*settable_in("file"), *settable_in("flag")}


def test_what_was_said_is_told_apart_from_defaults() -> None:
    """Even where it is the same value."""
    assert Options(delta=0.7, seed=1).said() == {"delta": 0.7, "seed": 1}


@pytest.mark.parametrize(
    ("name", "hint"), [("dleta", "Did you mean 'delta'?"), ("x", "There are delta, hedge.")]
)
def test_a_name_that_is_none_gets_one_that_is(name: str, hint: str) -> None:
    """The nearest one, or all."""
    assert did_you_mean(name, ["hedge", "delta"]) == hint
