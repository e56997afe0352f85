"""When an answer ends, and its thinking before it: each limit at its border."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import Limits
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.limits import goes_round
from rsd_graph.errors import ConfigurationError


def step(text: str = "a", ended: str = "separator", tokens: int = 1, phase: str = "answer") -> Any:
    """A candidate, as far as limits look at it."""
    spent = {**usage(), "completion_tokens": tokens}
    return {"text": text, "ended": ended, "usage": spent, "phase": phase}


def thought(text: str = "a", ended: str = "separator", tokens: int = 10) -> Any:
    """One that belongs to the thinking."""
    return step(text, ended, tokens, "thinking")


def many(count: int) -> list[Any]:
    """So many different thoughts of ten tokens."""
    return [thought(f"thought {number}") for number in range(count)]


def test_the_limits_that_everybody_has() -> None:
    """Who names none has these."""
    named = Limits(4096, 512, 100, 4, None, None, 8)

    assert Limits() == named


@pytest.mark.parametrize(("spent", "budget"), [(0, 5), (5, 5), (6, 4), (10, 0), (11, 0)])
def test_a_step_may_use_what_is_left_of_the_answer(spent: int, budget: int) -> None:
    """At most a step's limit, never less than nothing."""
    assert Limits(max_tokens=10, max_step_tokens=5).step_budget(spent) == budget


def test_thinking_needs_room_for_one_step() -> None:
    """A budget of just one step is enough, one token less is refused with all it takes to mend."""
    assert Limits(max_thinking_tokens=8).max_thinking_tokens == 8
    with pytest.raises(ConfigurationError) as refused:
        Limits(max_thinking_tokens=7)

    assert str(refused.value) == (
        "max_thinking_tokens=7 has no room for one step. Expected at least min_step_tokens=8. "
        "Raise max_thinking_tokens, or take thinking='off'."
    )


@pytest.mark.parametrize(
    ("limits", "budget"),
    [
        (Limits(max_tokens=100), 45),
        (Limits(max_thinking_tokens=50), 20),
        (Limits(max_tokens=102), 76 - 30),
        (Limits(max_tokens=102, max_thinking_tokens=102), 102 - 25 - 30),
        (Limits(max_tokens=102, max_thinking_tokens=102, max_step_tokens=10), 102 - 10 - 30),
    ],
)
def test_thinking_has_three_quarters_or_what_it_was_given(limits: Limits, budget: int) -> None:
    """Less what thinking has used, and never the room of the answer's first step."""
    assert limits.thinking_budget([*many(3), step(tokens=7)]) == budget


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        ([], "thinking"),
        ([thought()], "thinking"),
        ([thought(ended="closed")], "answer"),
        ([thought(ended="closed"), step()], "answer"),
        ([step()], "answer"),
        ([thought(" ")], "answer"),
        (many(2), "thinking"),
        (many(3), "answer"),
    ],
)
def test_where_the_next_step_belongs(steps: list[Any], phase: str) -> None:
    """To the answer, once thinking was closed, came to nothing, or was long enough."""
    assert Limits(max_thinking_steps=3).phase_after(steps) == phase


@pytest.mark.parametrize(
    ("limits", "count", "is_closed"),
    [
        (Limits(max_thinking_tokens=28), 2, False),
        (Limits(max_thinking_tokens=27), 2, True),
        (Limits(max_steps=4), 2, False),
        (Limits(max_steps=4), 3, True),
        (Limits(max_steps=6), 3, False),
        (Limits(max_steps=6), 4, True),
        (Limits(max_steps=3, max_thinking_steps=3), 2, True),
        (Limits(max_steps=2), 0, False),
        (Limits(max_steps=2), 1, True),
        (Limits(max_steps=1), 0, True),
    ],
)
def test_what_closes_thinking(limits: Limits, count: int, is_closed: bool) -> None:
    """No room for another step, three quarters of the steps, or none left for the answer."""
    assert limits.closes_thinking(many(count)) is is_closed


@pytest.mark.parametrize(
    ("text", "ended", "is_closed"),
    [
        ("No. No. No. N", "length", True),
        ("No. No. No. N", "separator", False),
        ("No.", "length", 0),
    ],
)
def test_a_thought_that_was_cut_while_it_said_the_same(
    text: str, ended: str, is_closed: bool
) -> None:
    """It closes the thinking; one that ended by itself does not, nor one that says something."""
    assert Limits(max_repeats=3).closes_thinking([thought(text, ended)]) == is_closed


@pytest.mark.parametrize(
    ("text", "stuck"),
    [
        ("a a b", True),
        ("a a", False),
        ("A - a, b", True),
        ("Maße Masse b", False),
        ("a b a b c", True),
        ("x a b a b c", True),
        ("x y z v a b a b a b c", True),
        ("x y z v w u a b a b c", True),
        ("x y z v w u t s a b a b c", False),
        ("a matrix of zeros: first 1 2 3 4 5 6 7 then 0 0 0 0 0", False),
        ("", False),
    ],
)
def test_what_goes_round(text: str, stuck: bool) -> None:
    """The same words twice at the end, the last one aside, and as half of the text or so."""
    assert goes_round(text, 2) is stuck


def test_thoughts_are_alike_whatever_their_dress() -> None:
    """Case and punctuation make no new thought; another word, or another spelling, does."""
    limits = Limits(max_repeats=2)

    assert limits.closes_thinking([thought("Wait, no."), thought("wait - no")]) is True
    assert limits.closes_thinking([thought("Wait, no."), thought("wait, yes")]) is False
    assert limits.closes_thinking([thought("Maße"), thought("Masse")]) is False


@pytest.mark.parametrize(
    ("steps", "finish"),
    [
        ([], "unfinished"),
        (many(2), "unfinished"),
        (many(3), "forced"),
        ([*many(1), thought(ended="closed")], "closed"),
        ([*many(2), thought("b", ended="closed")], "closed"),
        ([*many(1), thought(ended="closed"), step()], "closed"),
        ([*many(3), step()], "forced"),
        ([*many(1), step()], "closed"),
        ([step()], "closed"),
    ],
)
def test_how_thinking_ended(steps: list[Any], finish: str) -> None:
    """The model closed it, the limits did, or the answer ended before."""
    assert Limits(max_thinking_steps=3).finish_of_thinking(steps) == finish


@pytest.mark.parametrize(
    ("steps", "spent", "reason"),
    [
        ([step(ended="eos")], 99, "stop"),
        ([step(ended="context")], 99, "context"),
        ([step(" \n")], 99, "blank"),
        ([step("", ended="length")], 1, None),
        ([thought(" ")], 1, None),
        ([step()], 9, None),
        ([step()], 10, "length"),
        ([step("a"), step("b")], 1, None),
        ([step("a"), step("b"), step("c")], 1, "max_steps"),
        ([step("a"), step("a")], 1, "repetition"),
        ([step("a."), step("a")], 1, None),
        ([thought("a"), thought("a")], 1, None),
        ([thought("a"), step("a")], 1, None),
    ],
)
def test_why_an_answer_ends(steps: list[Any], spent: int, reason: str | None) -> None:
    """The first of its limits that was reached; `None` below each of them."""
    assert Limits(max_tokens=10, max_steps=3, max_repeats=2).finish_reason(steps, spent) == reason


def test_only_what_is_recent_is_repeated() -> None:
    """The last four times as many steps as are too many: what lies before is forgotten."""
    others = [step(str(number)) for number in range(6)]
    limits = Limits(max_repeats=2)

    assert limits.finish_reason([step("a"), *others, step("a")], 1) == "repetition"
    assert limits.finish_reason([step("a"), *others, step("x"), step("a")], 1) is None
