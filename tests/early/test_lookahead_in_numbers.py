"""Look-ahead by a clock that stands still: what is asked, told, booked and timed, to the token."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import EndpointConnectionError, Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add, add_usage, empty_ledger
from rsd_graph.answer.state import Candidate
from rsd_graph.early.lookahead import Drafter
from rsd_graph.early.pace import Pace, Plan
from tests.helpers.clock import Clock, failed_after, spent


class Alphabet:
    """Writes step a of one token, b of two and so on; stands still or fails where it is told.

    Attributes:
        asked: How many steps it was asked for.
        stops_at: The step that it never ends, until *go* is set.
        fails_at: The step that fails, after an attempt of 9 tokens.
    """

    def __init__(self, *, stops_at: int | None = None, fails_at: int | None = None) -> None:
        self.asked = 0
        self.stops_at, self.fails_at = stops_at, fails_at
        self.go = asyncio.Event()

    async def write_step(self, request: StepRequest) -> Candidate:
        self.asked += 1
        number = len(request.prefix.steps)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if number == self.stops_at:
            await self.go.wait()
        if number == self.fails_at:
            raise failed_after(9)
        return candidate("abcdefghij"[number], cost=spent(number + 1))


def books() -> Books:
    """Nothing spent yet."""
    return Books(empty_ledger())


def after(text: str, most: int = 99) -> Any:
    """What to ask for after these steps: the answer has *most* of them."""
    settled = [candidate(letter) for letter in text]

    def ask(ahead: Sequence[Candidate]) -> StepRequest | None:
        steps = [*settled, *ahead]
        prefix = Prefix([{"role": "user", "content": "q"}], steps)
        return StepRequest(prefix, max_tokens=8) if len(steps) < most else None

    return ask


async def write(drafter: Drafter, text: str, most: int = 99) -> str:
    """The texts of the run that continues *text*; all that can be written ahead is, then."""
    candidates = await drafter.write_run("1", after(text, most), books())
    await settled()
    return "".join(item["text"] for item in candidates)


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_writes_so_many_steps_beyond_those_that_are_under_decision() -> None:
    """What has been written meanwhile is handed out together, and as many are begun again."""
    model = Alphabet()
    drafter = Drafter(model, 2)

    first = await write(drafter, ""), model.asked
    second = await write(drafter, "a"), model.asked

    assert (first, second) == (("a", 3), ("bc", 5))


async def test_without_look_ahead_nothing_is_written_ahead() -> None:
    """One request for each step."""
    model = Alphabet()
    drafter = Drafter(model, 0)

    assert (await write(drafter, ""), await write(drafter, "a"), model.asked) == ("a", "b", 2)
    assert (drafter.spans("1"), drafter.discard("1"), drafter.reject("1", 0)) == ([], {}, {})


async def test_a_plan_asks_for_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """With "auto", whatever was measured decides; an answer that ends sooner is handed out."""
    monkeypatch.setattr(Pace, "plan", lambda pace: Plan(3, 1))
    model = Alphabet()
    drafter = Drafter(model, "auto")

    first = await write(drafter, "", most=5), model.asked
    last = await write(drafter, "abc", most=5), model.asked

    assert (first, last) == (("abc", 4), ("de", 5))
    assert drafter.discard("1") == {}


async def test_what_is_written_ahead_is_told_and_booked(clock: Clock) -> None:
    """Two steps that nobody has used, and one that is under way since 29 ms: 6 tokens at most."""
    model = Alphabet(stops_at=3)
    drafter = Drafter(model, 3)
    await write(drafter, "")
    clock.now += 0.029

    told = drafter.spans("1")

    wasted = {"role": "draft", "use": "wasted"}
    assert told == [
        {**wasted, "started": 1050.0, "ms": 10.0, "tokens": 2},
        {**wasted, "started": 1050.0, "ms": 15.0, "tokens": 3},
        {**wasted, "started": pytest.approx(1050), "ms": pytest.approx(29), "tokens": 6},
    ]
    assert drafter.discard("1") == {
        "draft": add_usage(spent(2), spent(3)),
        "wasted_draft_tokens": 5,
        "cancelled_calls": 1,
        "cancelled_draft_tokens": 6,
    }
    assert drafter.spans("1") == []


async def test_a_draft_that_failed_ahead_is_booked_with_what_it_had_cost() -> None:
    """Nothing is under way any more."""
    drafter = Drafter(Alphabet(fails_at=2), 3)
    await write(drafter, "")

    assert len(drafter.spans("1")) == 1
    assert drafter.discard("1") == {
        "draft": add_usage(spent(2), spent(9)),
        "wasted_draft_tokens": 11,
    }


async def test_a_failed_draft_is_raised_in_its_turn_and_booked_then() -> None:
    """The step before it is handed out first; it is not asked for again."""
    model = Alphabet(fails_at=2)
    drafter, kept = Drafter(model, 3), books()

    written = [await write(drafter, ""), await write(drafter, "a")]
    with pytest.raises(EndpointConnectionError):
        await drafter.write_run("1", after("ab"), kept)

    assert (written, model.asked) == (["a", "b"], 3)
    assert kept.ledger == add(
        empty_ledger(), {"draft": add_usage(spent(9)), "wasted_draft_tokens": 9}
    )


@pytest.mark.parametrize("depth", [0, 1])
async def test_a_draft_nobody_waits_for_is_cancelled_and_booked(clock: Clock, depth: int) -> None:
    """After 29 ms at 5 ms a token, with look-ahead and without."""
    drafter, kept = Drafter(Alphabet(stops_at=1), depth), books()
    if depth == 0:
        await write(drafter, "")
    else:
        drafter._pace.speed.learn(spent(1))
    waiting = asyncio.create_task(drafter.write_run("2", after("a"), kept))
    await settled()
    clock.now += 0.029

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    assert kept.ledger == add(empty_ledger(), {"cancelled_calls": 1, "cancelled_draft_tokens": 6})


async def test_a_draft_that_was_never_asked_for_costs_nothing() -> None:
    """Whoever wanted it was gone before its event loop's next turn."""
    model, kept = Alphabet(), books()
    writing = Drafter(model, 1).write_run("1", after(""), kept)
    writing.send(None)

    writing.close()
    await settled()

    assert (kept.ledger, model.asked) == (empty_ledger(), 0)


async def test_the_error_of_a_draft_nobody_needs_is_told_to_nobody() -> None:
    """Neither as a failed task nor in any other way of asyncio's."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    drafter = Drafter(Alphabet(fails_at=1), 1)
    await write(drafter, "")

    drafter.discard("1")
    gc.collect()
    await settled()

    assert told == []


async def test_look_ahead_on_another_prefix_is_booked_when_it_shows() -> None:
    """Its request is cancelled, and the run starts afresh."""
    model = Alphabet()
    drafter, kept = Drafter(model, 1), books()
    await write(drafter, "")

    candidates = await drafter.write_run("1", after("x"), kept)

    assert [item["text"] for item in candidates] == ["b"]
    assert kept.ledger == add(
        empty_ledger(), {"draft": add_usage(spent(2)), "wasted_draft_tokens": 2}
    )


async def test_of_two_copies_of_a_run_one_look_ahead_is_kept() -> None:
    """The other, of a rewound run at work beside it, is paid for."""
    model = Alphabet(stops_at=0)
    drafter, kept = Drafter(model, 1), books()
    both = [asyncio.create_task(drafter.write_run("1", after(""), kept)) for _ in range(2)]
    await settled()

    model.go.set()
    await asyncio.gather(*both)
    await settled()
    left = drafter.discard("1")

    assert kept.ledger["draft"]["calls"] + kept.ledger["cancelled_calls"] == 1
    assert left == {"draft": add_usage(spent(2)), "wasted_draft_tokens": 2}


async def test_verdicts_are_timed_from_run_to_run(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accepted run is known by the next that is asked for; a rejection says itself how far."""
    decided: list[tuple[float, int, bool]] = []

    def note(pace: Pace, elapsed_ms: float, accepted: int, *, rejected: bool) -> None:
        decided.append((round(elapsed_ms, 6), accepted, rejected))

    monkeypatch.setattr(Pace, "decided", note)
    drafter = Drafter(Alphabet(), 2)
    await write(drafter, "")
    clock.now += 0.04
    await write(drafter, "a")
    clock.now += 0.05

    entry = drafter.reject("1", 1)

    assert decided == [(40.0, 1, False), (50.0, 1, True)]
    assert entry == {"draft": add_usage(spent(4), spent(5)), "wasted_draft_tokens": 9}
    assert drafter.reject("1", 1) == {}


@pytest.mark.parametrize(
    ("reported", "settled_before", "rereads"),
    [([0.9, 0.8], 1, True), ([0.8], 1, False), ((), 1, False), ([0.9, 0.8], 0, False)],
)
async def test_a_prm_that_reports_settled_steps_again_has_read_them_again(
    reported: Sequence[float], settled_before: int, rereads: bool
) -> None:
    """Where nothing is settled that says nothing."""
    drafter = Drafter(Alphabet(), "auto")

    drafter.scored(Scores([0.8], step_rewards=reported), settled_before)

    assert drafter._pace.rereads is rereads
