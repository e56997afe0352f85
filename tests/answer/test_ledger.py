"""What a ledger holds, and how it is added to."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import EndpointConnectionError, PerRole, flops
from rsd_graph.answer.books import kept_on_error, spent_before
from rsd_graph.answer.ledger import (
    Entry,
    Ledger,
    acceptance_rate,
    add,
    add_usage,
    empty_ledger,
    joined,
    settled_tokens,
    stored_ledger,
    timed,
    usage,
)
from rsd_graph.answer.state import initial_state, stored_state

NOTHING = {
    "calls": 0,
    "prompt_tokens": 0,
    "cached_tokens": 0,
    "cache_unreported_calls": 0,
    "completion_tokens": 0,
    "ms": 0.0,
}


def test_the_shape_of_a_ledger() -> None:
    """Checkpoints, journals and response metadata hold exactly this."""
    assert empty_ledger() == {
        "draft": NOTHING,
        "target": NOTHING,
        "prm": NOTHING,
        "drafted_steps": 0,
        "scored_steps": 0,
        "accepted_steps": 0,
        "target_steps": 0,
        "kept_draft_tokens": 0,
        "discarded_draft_tokens": 0,
        "wasted_draft_tokens": 0,
        "wasted_target_tokens": 0,
        "cancelled_calls": 0,
        "cancelled_draft_tokens": 0,
        "cancelled_target_tokens": 0,
        "cancelled_target_prompt_tokens": 0,
        "prm_failures": 0,
        "invalid_actions": 0,
    }


def test_an_entry_has_the_counters_of_a_ledger() -> None:
    """The two declarations say the same, in the same order."""
    assert list(Entry.__annotations__.items()) == list(Ledger.__annotations__.items())
    assert list(Ledger.__annotations__) == list(empty_ledger())


def test_entries_and_ledgers_add_up() -> None:
    """Counters and usages alike; the ledger added to stays as it is."""
    before = add(empty_ledger(), {"drafted_steps": 1})

    after = add(before, {"drafted_steps": 2, "draft": usage(completion_tokens=5, ms=1.5)}, before)

    assert (after["drafted_steps"], before["drafted_steps"]) == (4, 1)
    assert (after["draft"]["completion_tokens"], after["draft"]["ms"]) == (5, 1.5)


def test_of_nothing_the_sum_is_the_usage_of_no_call() -> None:
    """Written down, the two look the same."""
    assert repr(add_usage()) == repr(usage(calls=0, cached_tokens=0)) == repr(NOTHING)


def test_tokens_of_the_answer_are_those_that_were_not_in_vain() -> None:
    """Kept drafts, and what the target wrote, less what it wrote in vain."""
    target = usage(completion_tokens=9)
    spent = add(
        empty_ledger(), {"kept_draft_tokens": 5, "target": target, "wasted_target_tokens": 2}
    )

    assert settled_tokens(spent) == 12


def test_a_counter_that_does_not_exist_is_refused() -> None:
    """Where no type checker looks, the first use says so."""
    misspelt: Any = {"drafted_step": 1}

    with pytest.raises(KeyError, match="drafted_step"):
        add(empty_ledger(), misspelt)


def test_entries_can_be_joined_before_they_are_booked() -> None:
    """Counters that both have are summed; nothing else is named."""
    entry = joined({"cancelled_calls": 1}, {"cancelled_calls": 1, "wasted_draft_tokens": 3}, {})

    assert entry == {"cancelled_calls": 2, "wasted_draft_tokens": 3}


NEWER = {
    "wasted_target_tokens",
    "cancelled_target_tokens",
    "cancelled_target_prompt_tokens",
    "invalid_actions",
}


def test_a_ledger_of_an_older_version_is_read_as_one_of_this() -> None:
    """What was not counted then is zero; what was counted stays."""
    older: Any = {key: value for key, value in empty_ledger().items() if key not in NEWER}
    older["kept_draft_tokens"] = 7

    ledger = stored_ledger(older)

    assert set(ledger) == set(empty_ledger())
    assert settled_tokens(ledger) == 7
    assert flops(ledger, PerRole(1, 1, 1)) == {"decode_only": 0, "full": 0}
    assert add(empty_ledger(), older) == ledger


def test_a_state_of_an_older_version_gets_a_name() -> None:
    """A run stored before runs had names is given one; a stored name stays."""
    older: Any = {**initial_state("q"), "ledger": {}}

    named = stored_state(older)

    assert named["ledger"] == empty_ledger()
    assert named["run"] != stored_state(older)["run"]
    assert stored_state(named)["run"] == named["run"]


def test_the_time_of_a_usage_is_what_the_caller_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its other numbers stay."""
    monkeypatch.setattr("time.perf_counter", lambda: 12.5)

    spent = timed(usage(prompt_tokens=3, ms=9.0), started=10.0)

    assert (spent["prompt_tokens"], spent["ms"]) == (3, 2500.0)


def test_what_a_failed_call_had_cost_is_on_its_error() -> None:
    """Of several requests the answered ones count, however deep the failing one lies."""
    error = EndpointConnectionError("no connection.")

    with (
        pytest.raises(EndpointConnectionError),
        kept_on_error([usage(prompt_tokens=1)]),
        kept_on_error([usage(prompt_tokens=2), usage(prompt_tokens=4)]),
    ):
        raise error

    assert (spent_before(error)["calls"], spent_before(error)["prompt_tokens"]) == (3, 7)


def test_of_other_errors_nothing_is_known() -> None:
    """A failed call that says nothing counts as nothing."""
    assert spent_before(EndpointConnectionError("no connection.")) == add_usage()
    assert spent_before(ValueError("not ours")) == add_usage()


def test_the_share_of_accepted_steps_is_of_those_that_were_decided() -> None:
    """Before the first decision there is none."""
    decided = add(empty_ledger(), {"accepted_steps": 3, "target_steps": 1})

    assert acceptance_rate(decided) == 0.75
    assert acceptance_rate(add(empty_ledger(), {"target_steps": 2})) == 0
    assert acceptance_rate(empty_ledger()) is None


def test_an_unreported_cache_is_counted_for_each_call() -> None:
    """One call by default, of which nothing else is known."""
    assert {**usage(calls=3), "ms": 0} == {**NOTHING, "calls": 3, "cache_unreported_calls": 3}
    assert usage() == {**NOTHING, "calls": 1, "cache_unreported_calls": 1}
