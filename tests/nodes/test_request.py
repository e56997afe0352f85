"""What is asked for next, and of whom."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import ConfigurationError, Limits, Phases, Sampling, StepRequest, candidate
from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.nodes.request import StepOptions, is_judgeable
from rsd_graph.providers.base import Prefix
from tests.helpers.states import state_of

SAMPLING = Sampling(temperature=0.5)
SETTLED: Any = {"text": "s", "ended": "separator", "tokens": 4}


def options(phases: Phases = Phases(), **limits: Any) -> StepOptions:  # noqa: B008 (frozen)
    """Of a graph with this separator."""
    return StepOptions(SAMPLING, Limits(**limits), "--", phases)


def after(count: int, spent: int = 0) -> Any:
    """A state with so many settled steps, for which *spent* tokens were spent."""
    ledger = add(empty_ledger(), {"kept_draft_tokens": spent})
    return state_of(steps=[SETTLED] * count, ledger=ledger)


def thought(text: str = "t", ended: str = "separator", tokens: int = 10) -> Any:
    """A candidate that belongs to the thinking."""
    written = candidate(text, cost=usage(completion_tokens=tokens))
    return {**written, "ended": ended, "phase": "thinking"}


def answer(**more: Any) -> Any:
    """One that belongs to the answer."""
    return {**candidate("a"), "phase": "answer", **more}


def test_the_next_step_is_asked_for_after_all_that_was_said() -> None:
    """Settled or drafted ahead; within what is left; with a seed of its own."""
    state, ahead = after(2, spent=8), [candidate("x", tokens=3)]

    request = options(max_tokens=15, max_step_tokens=9).request(state, role="draft", ahead=ahead)

    assert request == StepRequest(
        prefix=Prefix(state["conversation"], [SETTLED, SETTLED, *ahead], "--", None),
        max_tokens=4,
        sampling=SAMPLING,
        seed=derive_seed(1, "draft", 3),
        min_tokens=1,
    )


def test_a_request_is_for_one_token_at_least() -> None:
    """Servers refuse fewer: an answer that is full ends after it."""
    assert options(max_tokens=8).request(after(2, spent=9), role="target").max_tokens == 1


def test_thinking_has_a_budget_and_a_least_of_its_own() -> None:
    """The smaller of the two budgets counts."""
    phases, state = Phases("on"), after(0)
    ahead = [thought(tokens=10)]

    scarce = options(phases, max_thinking_tokens=30, min_step_tokens=6)
    plenty = options(phases, max_thinking_tokens=90, max_step_tokens=20, min_step_tokens=6)

    told = [each.request(state, role="draft", ahead=ahead) for each in (scarce, plenty)]
    assert [(each.prefix.phase, each.max_tokens, each.min_tokens) for each in told] == [
        ("thinking", 20, 6),
        ("thinking", 20, 6),
    ]
    over = scarce.request(state, role="draft", ahead=[thought(ended="closed")])
    assert (over.prefix.phase, over.max_tokens, over.min_tokens) == ("answer", 512, 1)


@pytest.mark.parametrize("limit", ["max_thinking_tokens", "max_thinking_steps"])
def test_a_budget_of_thinking_is_refused_where_nobody_thinks(limit: str) -> None:
    """It would have no effect."""
    with pytest.raises(ConfigurationError) as caught:
        options(**{limit: 20})

    assert str(caught.value) == (
        "max_thinking_tokens or max_thinking_steps is said, and thinking is not. "
        "Expected thinking='on', 'draft', 'target' or 'off' with it. "
        "Say who thinks, or take max_thinking_tokens or max_thinking_steps away."
    )


def test_the_prm_is_shown_a_window() -> None:
    """Of the same prefix, drafts ahead included."""
    window = options(Phases(prm_window=2))
    ahead = [candidate("x")]

    whole, shown = window.prefix(after(4), ahead), window.prefix_shown(after(4), ahead)

    assert [len(whole.steps), len(shown.steps)] == [5, 3]
    assert (shown.steps, shown.conversation) == (whole.steps[2:], whole.conversation)


@pytest.mark.parametrize(
    ("item", "is_whole"),
    [
        (candidate("a"), True),
        (candidate("a", "closed"), True),
        (candidate("a", "eos"), True),
        (candidate("a", "length"), False),
        (candidate("a", "context"), False),
        (candidate("a", "invalid"), False),
        (candidate(" \n"), False),
        ({**candidate(" "), "tool_calls": [{}]}, True),
        ({**candidate(" "), "tool_calls": []}, False),
    ],
)
def test_only_a_whole_step_is_judged(item: Any, is_whole: bool) -> None:
    """Blank or cut off it is none; an action needs no words."""
    assert is_judgeable(item) is is_whole


@pytest.mark.parametrize(
    ("by", "item", "is_judged"),
    [
        ("target", thought(), True),
        ("target", answer(), False),
        ("rsd", answer(), True),
        ("draft", answer(), True),
        ("rsd", answer(text=" "), False),
    ],
)
def test_a_step_beyond_the_drafts_phase_is_not_judged(by: Any, item: Any, is_judged: bool) -> None:
    """Where the target writes the answer alone."""
    assert options(Phases("on", by)).judges(item) is is_judged


@pytest.mark.parametrize(
    ("by", "thinks", "writes"),
    [
        ("rsd", False, (False, False)),
        ("draft", False, (True, False)),
        ("target", False, (False, True)),
        ("target", True, (False, False)),
    ],
)
def test_who_writes_the_next_step_alone(by: Any, thinks: bool, writes: Any) -> None:
    """One model writes the answer, all of them the thinking."""
    state = after(0) if thinks else state_of(steps=[{**thought(), "ended": "closed"}])

    each = options(Phases("on", by))

    assert (each.writes_alone("draft", state), each.writes_alone("target", state)) == writes


@pytest.mark.parametrize(
    ("ahead", "limits", "index"),
    [
        ([], {}, 2),
        ([], {"max_steps": 2}, 2),
        ([candidate("x")], {}, 3),
        ([candidate("x"), candidate("y")], {}, 4),
        ([candidate(" "), candidate("y")], {}, 4),
        ([candidate("x"), candidate(" ")], {}, None),
        ([candidate("x", "eos")], {}, None),
        ([candidate("x")], {"max_steps": 3}, None),
        ([candidate("x", tokens=2)], {"max_tokens": 10}, None),
        ([candidate("x", tokens=1)], {"max_tokens": 10}, 3),
    ],
)
def test_a_draft_is_asked_for_unless_the_answer_would_have_ended(
    ahead: Any, limits: Any, index: int | None
) -> None:
    """Of two settled steps and 8 tokens; the first draft is always asked for."""
    each, state = options(**limits), after(2, spent=8)

    request = each.draft_request(state, ahead)

    expected = index and each.request(state, role="draft", ahead=ahead)
    assert request == expected
    assert request is None or request.seed == derive_seed(1, "draft", index or 0)


@pytest.mark.parametrize(("by", "is_asked"), [("rsd", True), ("draft", False), ("target", False)])
def test_a_run_ends_where_one_model_writes_alone(by: Any, is_asked: bool) -> None:
    """At the border of the phases; within one it goes on."""
    each = options(Phases("on", by))

    beyond = each.draft_request(state_of(), [thought(ended="closed")])

    assert (beyond is not None) is is_asked
    assert each.draft_request(state_of(), [thought()]) is not None
