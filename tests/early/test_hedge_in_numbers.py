"""A hedge by a clock that stands still: what is started, told, booked and learned, to the token."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from rsd_graph import EndpointConnectionError, Prefix, StepRequest, candidate
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add, add_usage, empty_ledger, usage
from rsd_graph.answer.state import Candidate
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.odds import RejectionOdds
from tests.helpers.clock import Clock, failed_after, spent


def ask(seed: int = 0) -> StepRequest:
    """For a step of 8 tokens at most."""
    return StepRequest(Prefix([{"role": "user", "content": "q"}]), max_tokens=8, seed=seed)


def draft(prompt_tokens: int = 100, **more: Any) -> Candidate:
    """A draft of 4 tokens at 5 ms each."""
    cost = usage(prompt_tokens=prompt_tokens, completion_tokens=4, ms=20.0)
    return candidate("draft", cost=cost, **more)


class Target:
    """Writes when it may: a step of *tokens* tokens, or an error after as many."""

    def __init__(self, tokens: int = 3, *, fails: bool = False, waits: bool = False) -> None:
        self.tokens, self.fails = tokens, fails
        self.asked: list[int] = []
        self.go = asyncio.Event()
        if not waits:
            self.go.set()

    async def write_step(self, request: StepRequest) -> Candidate:
        self.asked.append(request.seed)
        await self.go.wait()
        if self.fails:
            raise failed_after(self.tokens)
        return candidate("better", cost=spent(self.tokens))


def no_books() -> Books:
    return Books(empty_ledger())


CUT: Any = {
    "cancelled_calls": 1,
    "cancelled_target_tokens": 6,
    "cancelled_target_prompt_tokens": 100,
}
"""A hedge cut off 29 ms after it was sent, when all that is known is a draft of 5 ms a token."""


async def considered(target: Any, clock: Clock, threshold: float = 0) -> Hedge:
    """A hedge that has considered a draft of run 1, and has had 29 ms since."""
    hedge = Hedge(target, threshold)
    hedge.consider("1", draft(), ask)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.now += 0.029
    return hedge


def test_without_a_threshold_nothing_is_considered() -> None:
    """Not even the request is made."""
    hedge = Hedge(Target())

    assert hedge.consider("1", draft(), lambda: pytest.fail("made")) == {}
    assert (hedge.accepted("1"), hedge.spans("1"), hedge.discard("1")) == ({}, [], {})


async def test_the_threshold_itself_is_likely_enough(clock: Clock) -> None:
    """Where the estimate reaches it, the target starts."""
    expected = RejectionOdds().probability(0.0)
    reached, missed = Target(), Target()

    await considered(reached, clock, threshold=expected)
    await considered(missed, clock, threshold=expected + 1e-9)

    assert (reached.asked, missed.asked) == ([0], [])


async def test_what_was_under_way_for_an_accepted_step_is_booked(clock: Clock) -> None:
    """As it was told: 29 ms at the draft's 5 ms a token are 6 tokens at most."""
    hedge = await considered(Target(waits=True), clock)

    assert hedge.spans("1") == [
        {
            "role": "target",
            "started": pytest.approx(1050),
            "ms": pytest.approx(29),
            "use": "wasted",
            "tokens": 6,
        }
    ]
    assert hedge.accepted("1") == CUT
    assert (hedge.spans("1"), hedge.accepted("1")) == ([], {})


@pytest.mark.parametrize(
    ("fails", "spans"), [(False, [("target", 1050.0, 15.0, "wasted", 3)]), (True, [])]
)
async def test_what_was_written_for_an_accepted_step_is_booked(
    fails: bool, spans: list[Any], clock: Clock
) -> None:
    """Failed or not; only a step is told."""
    hedge = await considered(Target(3, fails=fails), clock)

    assert [tuple(span.values()) for span in hedge.spans("1")] == spans
    assert hedge.accepted("1") == {"target": add_usage(spent(3)), "wasted_target_tokens": 3}


async def test_the_error_of_a_hedge_nobody_needs_is_told_to_nobody(clock: Clock) -> None:
    """Neither as a failed task nor in any other way of asyncio's."""
    told: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    hedge = await considered(Target(fails=True), clock)
    await asyncio.sleep(0)

    hedge._awaited.take("1")
    gc.collect()
    await asyncio.sleep(0)

    assert told == []


async def test_a_hedge_that_was_never_sent_costs_nothing(clock: Clock) -> None:
    """Its verdict came before its event loop's next turn."""
    target = Target()
    hedge = Hedge(target, 0)
    hedge.consider("1", draft(), ask)

    told, entry = hedge.spans("1"), hedge.accepted("1")
    await asyncio.sleep(0)

    assert (told, entry, target.asked) == ([], {}, [])


async def test_a_run_that_was_rewound_pays_for_the_hedge_it_never_came_back_for(
    clock: Clock,
) -> None:
    """As soon as another takes its place."""
    hedge = await considered(Target(waits=True), clock)

    assert hedge.consider("1", draft(130), ask) == CUT
    assert hedge.discard("1") == {}


async def test_the_faster_of_the_two_models_bounds_what_a_hedge_can_have_written(
    clock: Clock,
) -> None:
    """Once the target has shown a better speed than its draft."""
    target = Target(tokens=8)
    hedge = Hedge(target, 0)
    hedge._draft_speed.learn(usage(completion_tokens=1, ms=10.0))
    await hedge.write_step("1", ask(), no_books())
    target.go.clear()
    hedge.consider("1", candidate("draft", cost=usage(completion_tokens=1, ms=10.0)), ask)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.now += 0.012

    assert hedge.accepted("1")["cancelled_target_tokens"] == 2


async def test_a_rejected_step_is_the_hedges_and_costs_nothing_in_vain(clock: Clock) -> None:
    """It is asked for once."""
    target, books = Target(), no_books()
    hedge = await considered(target, clock)

    step = await hedge.write_step("1", ask(), books)

    assert (step["text"], target.asked, books.ledger) == ("better", [0], empty_ledger())
    assert hedge.discard("1") == {}


@pytest.mark.parametrize("waits", [False, True])
async def test_a_hedge_on_another_step_is_in_vain(waits: bool, clock: Clock) -> None:
    """Written or under way, it is booked before the target is asked anew."""
    target, books = Target(waits=waits), no_books()
    hedge = await considered(target, clock)
    target.go.set()

    step = await hedge.write_step("1", ask(seed=5), books)

    in_vain: Any = {"target": add_usage(spent(3)), "wasted_target_tokens": 3}
    assert (step["text"], target.asked) == ("better", [0, 5])
    assert books.ledger == add(empty_ledger(), CUT if waits else in_vain)


async def test_a_failed_hedge_is_booked_with_what_it_had_cost(clock: Clock) -> None:
    """When its error is raised."""
    books = no_books()
    hedge = await considered(Target(3, fails=True), clock)

    with pytest.raises(EndpointConnectionError):
        await hedge.write_step("1", ask(), books)

    expected: Any = {"target": add_usage(spent(3)), "wasted_target_tokens": 3}
    assert books.ledger == add(empty_ledger(), expected)


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_target_nobody_waits_for_is_cancelled_and_booked(
    is_early: bool, clock: Clock
) -> None:
    """After 29 ms, whether it was started early or not."""
    books = no_books()
    if is_early:
        hedge = await considered(Target(waits=True), clock)
        clock.now -= 0.029
    else:
        hedge = Hedge(Target(waits=True))
        hedge._draft_speed.learn(spent(1))
    waiting = asyncio.create_task(hedge.write_step("1", ask(), books))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.now += 0.029

    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    read = CUT["cancelled_target_prompt_tokens"] if is_early else 0
    assert books.ledger == add(empty_ledger(), {**CUT, "cancelled_target_prompt_tokens": read})


async def test_the_odds_learn_from_every_verdict(clock: Clock) -> None:
    """A hedge that was asked for was a rejection; one on another step, or of none, was not."""
    expected = RejectionOdds()
    hedge = Hedge(Target(), 0)
    for logprob, verdict in [(-4.0, "accepted"), (-9.0, "rejected"), (-1.0, "another")]:
        step = draft(logprob=logprob)
        hedge.consider("1", step, ask)
        if verdict == "accepted":
            hedge.accepted("1")
        else:
            await hedge.write_step("1", ask(seed=int(verdict == "another")), no_books())
        expected.decided(expected.uncertainty(step), rejected=verdict == "rejected")

    assert hedge._odds == expected


async def test_a_prompt_is_read_once_by_the_hedges_of_a_run(clock: Clock) -> None:
    """A shorter one is read already; with its run's end what was read is forgotten."""
    target = Target(waits=True)
    hedge = Hedge(target, 0)

    async def read(run: str, prompt_tokens: int) -> int:
        hedge.consider(run, draft(prompt_tokens), ask)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return hedge.accepted(run)["cancelled_target_prompt_tokens"]

    first = [await read("1", tokens) for tokens in (100, 130, 120, 150)]
    other = await read("2", 70)
    hedge.discard("1")

    assert (first, other, await read("1", 160)) == ([100, 30, 0, 30], 70, 160)
