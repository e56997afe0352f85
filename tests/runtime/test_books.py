"""However a run ends, its last ledger holds all it has spent."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from rsd_graph import ChatRSD, EndpointConnectionError, Limits, RSDError, initial_state
from rsd_graph.answer.ledger import Ledger, usage
from rsd_graph.graph import create_rsd_graph
from rsd_graph.providers.scripted import ScriptedRewardModel
from rsd_graph.providers.wires.completion import Completion
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.runtime.listener import AnswerListener
from rsd_graph.runtime.run import Settled, settled_steps
from tests.helpers.hashed import HashedModel
from tests.helpers.scripted import Scripted
from tests.helpers.scripted_wire import ScriptedWire
from tests.helpers.trio import Trio, booked

QUESTION = initial_state("what does it cost?", seed=1)


class Run(Trio):
    """One run of counting models, and the ledgers it ended with."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.ended: list[Ledger] = []

    async def finish(self) -> list[Settled]:
        """All its laps."""
        laps = settled_steps(
            self.graph, QUESTION, listening=[AnswerListener(on_end=self.ended.append)]
        )
        return [lap async for lap in laps]


WAYS = pytest.mark.parametrize("hedge", [None, 0.0])
DEPTHS = pytest.mark.parametrize("lookahead", [0, 2])


@WAYS
@DEPTHS
async def test_a_run_cancelled_anywhere_has_booked_what_it_spent(
    lookahead: int, hedge: float | None
) -> None:
    """Cancelled after any number of turns of the event loop: what the models counted is booked."""
    turns, finished = 0, False
    while not finished:
        run = Run(lookahead=lookahead, hedge=hedge, limits=Limits(max_steps=3))
        task = asyncio.create_task(run.finish())
        for _ in range(turns):
            await asyncio.sleep(0)
        finished = task.done()

        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for _ in range(3):
            await asyncio.sleep(0)

        if turns:
            assert [booked(ledger) for ledger in run.ended] == [run.counted()], turns
        turns += 1
    assert turns > 50


@WAYS
@DEPTHS
@pytest.mark.parametrize("laps", [1, 2])
async def test_a_run_closed_after_some_laps_has_booked_what_it_spent(
    laps: int, lookahead: int, hedge: float | None
) -> None:
    """A consumer that hangs up after a step: what was drafted ahead of it is booked, once."""
    run = Run(lookahead=lookahead, hedge=hedge)

    async with aclosing(
        settled_steps(run.graph, QUESTION, listening=[AnswerListener(on_end=run.ended.append)])
    ) as steps:
        for _ in range(laps):
            last = await anext(steps)
    await asyncio.sleep(0)

    (final,) = run.ended
    assert booked(final) == run.counted()
    assert final["accepted_steps"] == last.ledger["accepted_steps"]


async def test_a_finished_run_says_once_what_its_last_lap_says() -> None:
    """`on_end` hears of an answer that was finished, too."""
    run = Run(lookahead=2, hedge=0.0)

    laps = await run.finish()

    assert run.ended == [laps[-1].ledger]
    assert booked(run.ended[0]) == run.counted()


@WAYS
@pytest.mark.parametrize("lookahead", [0, 2, "auto"])
async def test_the_ledger_of_an_error_holds_all_that_was_spent(
    lookahead: Any, hedge: float | None
) -> None:
    """Also what the node that failed had spent, and what was started early: forty failures."""
    failures = 0
    for number in range(60):
        run = Run(fails=0.15, lookahead=lookahead, hedge=hedge)
        question = initial_state(f"question {number}", seed=number)
        (outcome,) = await asyncio.gather(run.graph.ainvoke(question), return_exceptions=True)
        await asyncio.sleep(0)
        if isinstance(outcome, RSDError) and outcome.ledger:
            failures += 1
            assert booked(outcome.ledger) == run.counted()
    assert failures >= 40


async def test_a_first_blank_call_is_on_the_ledger_of_the_second_ones_error() -> None:
    """A model that opens with the separator is asked again; the call before that one counts."""
    dead = EndpointConnectionError("no connection.", role="draft")

    class BlankThenDead(ScriptedWire):
        async def complete(self, request: Any) -> Completion:
            self.requests.append(request)
            if len(self.requests) > 1:
                raise dead
            return Completion("", "separator", usage(prompt_tokens=7, completion_tokens=2))

    draft = HostedModel(BlankThenDead())
    graph = create_rsd_graph(draft=draft, target=draft, prm=ScriptedRewardModel([]))

    with pytest.raises(EndpointConnectionError) as caught:
        await graph.compile().ainvoke(QUESTION)

    ledger = caught.value.ledger
    assert ledger is not None
    assert (ledger["draft"]["calls"], ledger["draft"]["prompt_tokens"]) == (1, 7)
    assert (ledger["draft"]["completion_tokens"], ledger["wasted_draft_tokens"]) == (2, 2)


async def test_a_stop_string_leaves_nothing_unbooked() -> None:
    """A chat model that stops early says what it had drafted ahead by then."""
    run = Run()
    llm = ChatRSD(draft=run.draft, target=run.target, prm=run.prm, lookahead=2, hedge=0, stop=["."])

    message = await llm.ainvoke("what does it cost?", seed=1)
    await asyncio.sleep(0)

    ledger = message.response_metadata["rsd"]["ledger"]
    assert booked(ledger) == run.counted()
    assert ledger["wasted_draft_tokens"] > 0


async def test_a_graph_run_inside_a_model_keeps_books_of_its_own() -> None:
    """A draft that runs another graph, ahead of the verdict, adds nothing to this run's ledger."""
    inner = Run(limits=Limits(max_steps=3))

    class Asking(HashedModel):
        async def write_step(self, request: Any) -> Any:
            await inner.graph.ainvoke(QUESTION)
            return await super().write_step(request)

    run = Run()
    run.graph = create_rsd_graph(
        draft=Asking("d"), target=run.target, prm=run.prm, lookahead=2
    ).compile()

    async with aclosing(
        settled_steps(run.graph, QUESTION, listening=[AnswerListener(on_end=run.ended.append)])
    ) as steps:
        await anext(steps)
        while inner.prm.finished < 5:  # the look-ahead is at work in the inner graph
            await asyncio.sleep(0)

    (final,) = run.ended
    assert final["prm"]["calls"] == run.prm.finished == 1


async def test_steps_accepted_before_a_rewrite_that_fails_are_not_lost() -> None:
    """The stream and the error both hold them, as without look-ahead; the ledger counts them."""
    dead = EndpointConnectionError("no connection.", role="target")
    scripted = Scripted(["a", "b", "wrong", "unused"], [0.9, 0.9, 0.1, 0.9], [dead], lookahead=3)
    seen: list[str] = []

    async def watch() -> None:
        async for lap in settled_steps(scripted.graph.compile(), QUESTION):
            seen.extend(step["text"] for step in lap.steps)

    with pytest.raises(EndpointConnectionError) as caught:
        await watch()

    error = caught.value
    assert seen == [step["text"] for step in error.steps] == ["a", "b"]
    assert error.ledger is not None
    assert (error.ledger["accepted_steps"], error.ledger["kept_draft_tokens"]) == (2, 2)
    assert (error.ledger["discarded_draft_tokens"], error.ledger["wasted_draft_tokens"]) == (1, 1)
