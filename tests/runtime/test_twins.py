"""Runs that share a question, a seed and a graph share nothing else."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from rsd_graph import Limits, Prefix, StepRequest, candidate, create_rsd_graph, initial_state
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import Candidate
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.lookahead import Drafter
from tests.helpers.hashed import transcript
from tests.helpers.trio import Trio, booked, unexplained

QUESTION = "the same question"


async def answers_of(trio: Trio, twins: int) -> list[dict[str, Any]]:
    """The answers of as many runs at once."""
    runs = (trio.graph.ainvoke(initial_state(QUESTION, seed=1)) for _ in range(twins))
    return list(await asyncio.gather(*runs))


WAYS = pytest.mark.parametrize("hedge", [None, 0.0])
DEPTHS = pytest.mark.parametrize("lookahead", [0, 2, "auto"])


@WAYS
@DEPTHS
@pytest.mark.parametrize("twins", [2, 4, 8])
async def test_twins_keep_separate_books(
    twins: int, lookahead: Lookahead, hedge: float | None
) -> None:
    """Each ledger explains its own tokens; together they are what the models counted."""
    alone = await answers_of(Trio(), 1)
    trio = Trio(lookahead=lookahead, hedge=hedge)

    answers = await answers_of(trio, twins)
    await asyncio.sleep(0)

    ledgers = [answer["ledger"] for answer in answers]
    assert [transcript(answer) for answer in answers] == [transcript(alone[0])] * twins
    assert [unexplained(ledger) for ledger in ledgers] == [(0, 0)] * twins
    assert booked(add(empty_ledger(), *ledgers)) == trio.counted()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@WAYS
@DEPTHS
@pytest.mark.parametrize("twins", [2, 4, 8])
def test_twins_in_two_threads_keep_separate_books(
    twins: int, lookahead: Lookahead, hedge: float | None
) -> None:
    """Also where they run on the event loops of two threads, and no loop's task is touched from
    the other: asyncio's debug mode would raise.
    """
    trio = Trio(lookahead=lookahead, hedge=hedge, limits=Limits(max_steps=6))
    barrier = threading.Barrier(2)

    def half(_: int) -> list[dict[str, Any]]:
        barrier.wait()
        return asyncio.run(answers_of(trio, twins // 2), debug=True)

    with ThreadPoolExecutor(2) as threads:
        answers = [answer for part in threads.map(half, range(2)) for answer in part]

    ledgers = [answer["ledger"] for answer in answers]
    assert [unexplained(ledger) for ledger in ledgers] == [(0, 0)] * twins
    assert booked(add(empty_ledger(), *ledgers)) == trio.counted()


def timeless(ledger: Ledger) -> dict[str, Any]:
    """A ledger without the milliseconds."""
    counted: dict[str, Any] = dict(ledger)
    return {
        **counted,
        **{role: {**counted[role], "ms": 0.0} for role in ("draft", "target", "prm")},
    }


@WAYS
@pytest.mark.parametrize("lookahead", [0, 1, 2])
async def test_a_twin_spends_what_it_would_spend_alone(lookahead: int, hedge: float | None) -> None:
    """No twin uses, cancels or pays for what another one has started."""
    options: dict[str, Any] = {"lookahead": lookahead, "hedge": hedge}
    (alone,) = await answers_of(Trio(**options), 1)

    answers = await answers_of(Trio(**options), 4)

    assert [timeless(answer["ledger"]) for answer in answers] == [timeless(alone["ledger"])] * 4


async def test_a_run_has_a_name_that_no_other_has() -> None:
    """It is drawn when the run begins, whatever the seed."""
    trio = Trio()
    threads: list[Any] = [{"configurable": {"thread_id": str(number)}} for number in range(3)]
    graph = create_rsd_graph(draft=trio.draft, target=trio.target, prm=trio.prm)
    compiled = graph.compile(checkpointer=InMemorySaver())

    for thread in threads:
        await compiled.ainvoke(initial_state(QUESTION, seed=1), thread)

    states = [(await compiled.aget_state(thread)).values for thread in threads]
    assert len({state["seed"] for state in states}) == 1
    assert len({state["run"] for state in states}) == 3


class HangingElsewhere:
    """Writes a first step, then hangs; says in which thread it was cancelled."""

    def __init__(self) -> None:
        self.hanging, self.cancelled = threading.Event(), threading.Event()
        self.cancelled_in: int | None = None

    async def write_step(self, request: StepRequest) -> Candidate:
        if not request.prefix.steps and request.seed == 0:
            return candidate("first")
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled_in = threading.get_ident()
            self.cancelled.set()
            raise
        raise AssertionError


def request_after(ahead: Any) -> StepRequest:
    return StepRequest(Prefix([{"role": "user", "content": "q"}], ahead), max_tokens=8)


@pytest.mark.parametrize("part", ["lookahead", "hedge"])
def test_a_run_can_be_ended_from_another_thread(part: str) -> None:
    """Its requests are cancelled by their own event loop, and booked to whoever ends it."""
    model, books = HangingElsewhere(), Books(empty_ledger())
    drafter, hedge = Drafter(model, 2), Hedge(model, 0.0)
    loop = asyncio.new_event_loop()
    loop.set_debug(True)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> None:
        if part == "lookahead":
            await drafter.write_run("1", request_after, books)
        else:
            hedge.consider("1", candidate("draft"), lambda: request_after([candidate("ahead")]))

    asyncio.run_coroutine_threadsafe(begin(), loop).result(timeout=10)
    assert model.hanging.wait(timeout=10)
    entry = drafter.discard("1") if part == "lookahead" else hedge.discard("1")

    assert entry["cancelled_calls"] == 1
    assert model.cancelled.wait(timeout=10)
    assert model.cancelled_in == thread.ident
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


THREAD: Any = {"configurable": {"thread_id": "1"}}


@pytest.mark.parametrize("lookahead", [0, 2])
async def test_a_checkpoint_of_an_older_version_goes_on(lookahead: int) -> None:
    """Without a name for the run and with fewer counters, the run goes on as it would have."""
    alone = (await answers_of(Trio(), 1))[0]
    trio = Trio()
    graph = create_rsd_graph(
        draft=trio.draft, target=trio.target, prm=trio.prm, lookahead=lookahead, hedge=0.0
    )
    saver = InMemorySaver()
    compiled = graph.compile(checkpointer=saver, interrupt_after=["score"])
    await compiled.ainvoke(initial_state(QUESTION, seed=1), THREAD)
    forget_in_every_checkpoint(saver)

    compiled = graph.compile(checkpointer=saver)
    assert "run" not in (await compiled.aget_state(THREAD)).values
    answer = await compiled.ainvoke(None, THREAD)

    assert transcript(answer) == transcript(alone)
    assert set(answer["ledger"]) == set(empty_ledger())
    assert (await compiled.aget_state(THREAD)).values["run"]


NEWER = ("wasted_target_tokens", "cancelled_target_tokens", "cancelled_target_prompt_tokens")


def forget_in_every_checkpoint(saver: InMemorySaver) -> None:
    """Take out of what is stored all that an older version did not store."""
    for key in list(saver.blobs):
        channel = key[2]
        if channel == "run":
            del saver.blobs[key]
        if channel == "ledger":
            ledger = saver.serde.loads_typed(saver.blobs[key])
            older = {name: value for name, value in ledger.items() if name not in NEWER}
            saver.blobs[key] = saver.serde.dumps_typed(older)
