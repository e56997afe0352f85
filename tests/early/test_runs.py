"""What is remembered of each run in progress."""

from __future__ import annotations

import pytest

from rsd_graph.answer.ledger import Entry
from rsd_graph.early import runs
from rsd_graph.early.runs import Runs


def remembered(monkeypatch: pytest.MonkeyPatch, most: int) -> Runs[int]:
    """Runs whose items are what they cost; 0 costs nothing."""
    monkeypatch.setattr(runs, "REMEMBERED_RUNS", most)
    return Runs(drop=lambda calls: Entry(cancelled_calls=calls) if calls else {})


def test_what_is_kept_is_found_until_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking does not forget, taking does, and nobody pays for what was taken."""
    kept = remembered(monkeypatch, 2)
    kept.keep("a", 1)

    assert [kept.find("a"), kept.find("b"), kept.take("a"), kept.take("a")] == [1, None, 1, None]
    assert kept.end("a") == {}


def test_a_run_pays_once_for_what_it_had_when_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that has nothing."""
    kept = remembered(monkeypatch, 2)
    kept.keep("a", 3)

    assert [kept.end("a"), kept.end("a"), kept.end("b")] == [{"cancelled_calls": 3}, {}, {}]


def test_the_one_that_was_kept_longest_ago_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run owes what it had cost, with all that it had before."""
    kept = remembered(monkeypatch, 2)
    for run, calls in [("a", 1), ("b", 2), ("a", 4), ("c", 8), ("b", 16)]:
        kept.keep(run, calls)

    found = [kept.find(run) for run in "abc"]

    assert found == [None, 16, 8]
    assert [kept.end(run) for run in "ab"] == [{"cancelled_calls": 4}, {"cancelled_calls": 18}]


def test_a_run_that_made_room_twice_owes_for_both(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no other run does."""
    kept = remembered(monkeypatch, 2)
    for run, calls in [("a", 2), ("b", 0), ("c", 0), ("a", 16), ("d", 0), ("e", 0)]:
        kept.keep(run, calls)

    assert [kept.end(run) for run in "abcde"] == [{"cancelled_calls": 18}, {}, {}, {}, {}]


def test_as_many_debts_are_remembered_as_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is forgiven; what had cost nothing is no debt."""
    kept = remembered(monkeypatch, 2)
    for run, calls in [("a", 1), ("b", 2), ("c", 0), ("d", 4), ("e", 8), ("f", 16)]:
        kept.keep(run, calls)

    assert [kept.end(run).get("cancelled_calls") for run in "abcd"] == [None, 2, None, 4]
