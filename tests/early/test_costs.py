"""What early requests cost when nobody can use them."""

from __future__ import annotations

import asyncio

import pytest

from rsd_graph import EndpointConnectionError
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.early.costs import booked_if_lost, cancelled, in_vain

SPENT = usage(prompt_tokens=5, completion_tokens=7)


def test_an_answer_in_vain_is_spent_and_wasted() -> None:
    """By whoever wrote it."""
    assert in_vain("draft", SPENT) == {"draft": SPENT, "wasted_draft_tokens": 7}
    assert in_vain("target", SPENT) == {"target": SPENT, "wasted_target_tokens": 7}


def test_a_cancelled_request_may_have_written_so_much() -> None:
    """What it read is not known."""
    assert cancelled("draft", 9) == {"cancelled_calls": 1, "cancelled_draft_tokens": 9}
    assert cancelled("target", 9) == {"cancelled_calls": 1, "cancelled_target_tokens": 9}


def failed() -> EndpointConnectionError:
    """After an attempt that was answered."""
    error = EndpointConnectionError("no connection.")
    error.spent = SPENT
    return error


@pytest.mark.parametrize(
    ("error", "entry"),
    [
        (asyncio.CancelledError(), cancelled("target", 9)),
        (failed(), in_vain("target", SPENT)),
        (ValueError("not ours"), {}),
    ],
    ids=["cancelled", "failed", "not ours"],
)
def test_a_request_that_is_lost_is_booked_and_its_error_goes_on(
    error: BaseException, entry: object
) -> None:
    """As far as anyone knows what it cost."""
    books = Books(empty_ledger())

    with pytest.raises(type(error)), booked_if_lost(books, "target", lambda: 9):
        raise error

    assert books.ledger == add(empty_ledger(), entry)  # type: ignore[arg-type]
