"""A draft that runs ahead: while a step is being scored, the next ones are already written.

`depth=0` is Algorithm 1 to the letter. With more, the semantics stay exactly the same and only the
waiting goes: every look-ahead request is the very request the sequential loop would send if the
steps before it are accepted, so what it returns can be used if they are, and is dropped if not.

Running ahead is found by content. What was started for one prefix serves only a call with that
same prefix, budget and seed; nothing about it is in the graph's state, so a resumed or rewound run
just starts afresh, and a wrong match is impossible.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import cast

from rsd_graph.answer.books import Books, spent_before
from rsd_graph.answer.ledger import Entry, Usage, add_usage
from rsd_graph.answer.options import Lookahead, checked
from rsd_graph.answer.state import Candidate, Span
from rsd_graph.early.costs import booked_if_lost, cancelled, in_vain
from rsd_graph.early.matching import cancel, content, failed, is_reachable
from rsd_graph.early.pace import Pace, Plan
from rsd_graph.early.runs import Runs
from rsd_graph.early.spans import given_up, write_step, writing_span
from rsd_graph.providers.base import Scores, StepModel, StepRequest

RequestAfter = Callable[[Sequence[Candidate]], StepRequest | None]
"""The request for the step after these drafted ones; `None` if they would end the answer."""


class Drafter:
    """Turns a step model into one that writes runs of consecutive steps.

    Args:
        model: Writes single steps.
        depth: Steps that may be drafted beyond those under decision, or `"auto"`: what promises the
            least waiting by the measured times and acceptance rate, within *max_waste*.
        max_waste: For `"auto"`, the share of draft tokens that may be written in vain.
    """

    def __init__(self, model: StepModel, depth: Lookahead, max_waste: float = 0.1) -> None:
        self._model = model
        self._depth: Lookahead = checked("lookahead", depth)
        self._pace = Pace(checked("max_waste", max_waste))
        self._chains: Runs[_Chain] = Runs(drop=lambda chain: chain.cancel())

    async def write_run(
        self, run: str, request_after: RequestAfter, books: Books
    ) -> list[Candidate]:
        """The next step of *run*, and any that follow it and are finished already.

        Args:
            run: Identity of the answer; its look-ahead is cancelled when a rejection shows.
            request_after: What to ask for next; see `RequestAfter`.
            books: Of the run, for what is lost: look-ahead on another prefix, a call that fails.

        Raises:
            ProviderError: The endpoint failed, and no finished step is left to hand out.
        """
        # With nothing drafted ahead there is always a next step: a finished answer ends the graph.
        request = cast("StepRequest", request_after(()))
        if self._depth == 0:
            return [await self._write_step(request, books)]
        chain = self._resume(run, request, books) or _Chain(self._model, request_after, self._pace)
        try:
            candidates = await chain.take(self._plan())
        except BaseException:
            books.enter(chain.cancel())
            raise
        if chain.upcoming() is not None:
            books.enter(self.discard(run))  # of a rewound copy of this run, at work beside it
            self._chains.keep(run, chain)
        return candidates

    def scored(self, scores: Scores, settled: int) -> None:
        """Learn how the PRM reads: one that reports *settled* steps again has read them again."""
        if settled:
            self._pace.rereads = len(scores.step_rewards) > len(scores.rewards)

    def reject(self, run: str, accepted: int) -> Entry:
        """`discard` after a rejection; *accepted* steps of the last run were good before it."""
        chain = self._chains.take(run)
        if chain is None:
            return {}
        self._pace.decided(chain.waited_ms(), accepted, rejected=True)
        return chain.cancel()

    def spans(self, run: str) -> list[Span]:
        """When the draft wrote what *run* has not used yet."""
        chain = self._chains.find(run)
        return chain.spans() if chain else []

    def discard(self, run: str) -> Entry:
        """Cancel what *run* drafted ahead; the ledger entry of what that wasted."""
        return self._chains.end(run)

    async def _write_step(self, request: StepRequest, books: Books) -> Candidate:
        """A single step, without a task of its own."""
        clock = asyncio.get_running_loop().time
        started = clock()
        with booked_if_lost(
            books, "draft", lambda: self._pace.speed.tokens_since(started, clock(), request)
        ):
            candidate = await write_step(self._model, request)
        self._pace.drafted(candidate)
        return candidate

    def _resume(self, run: str, request: StepRequest, books: Books) -> _Chain | None:
        """The chain that already continues exactly this request, if there is one."""
        chain = self._chains.take(run)
        if chain is not None and not chain.continues(request):
            books.enter(chain.cancel())
            return None
        return chain

    def _plan(self) -> Plan:
        return self._pace.plan() if self._depth == "auto" else Plan(1, self._depth)


class _Chain:
    """Consecutive drafts of one answer, each started as soon as the one before it is written."""

    def __init__(self, model: StepModel, request_after: RequestAfter, pace: Pace) -> None:
        self._model = model
        self._request_after = request_after
        self._pace = pace
        self._written: list[Candidate] = []
        self._taken = 0
        self._goal = 0
        self._worker: asyncio.Task[None] | None = None
        self._arrived = asyncio.Event()
        self._in_flight: tuple[StepRequest, float] | None = None
        self._failed: Usage = add_usage()
        self._last_run = 0
        self._handed_out_at = 0.0
        self._clock = asyncio.get_running_loop().time

    def continues(self, request: StepRequest) -> bool:
        """Whether this chain's next step is the answer to exactly *request*."""
        upcoming = self.upcoming()
        if upcoming is None or content(upcoming) != content(request):
            return False
        return self._worker is None or is_reachable(self._worker)

    def upcoming(self) -> StepRequest | None:
        """The request for the first step not taken yet; `None` after the end of the answer."""
        return self._request_after(self._written[: self._taken])

    def waited_ms(self) -> float:
        """Milliseconds since the last run was handed out."""
        return (self._clock() - self._handed_out_at) * 1000

    async def take(self, plan: Plan) -> list[Candidate]:
        """Everything written and not taken yet, a run if possible; go on writing beyond it."""
        if self._taken:
            self._pace.decided(self.waited_ms(), self._last_run, rejected=False)
        self._write_until(self._taken + max(plan.run, self._ready()) + plan.ahead)
        while self._ready() < plan.run:
            if self._worker and self._worker.done():
                if self._ready():
                    break  # the answer ends here, or an error that is not this run's
                self._worker.result()  # raises what stopped the writing
            await self._arrived.wait()
            self._arrived.clear()
        run = self._written[self._taken :]
        self._taken, self._last_run = len(self._written), len(run)
        self._write_until(self._taken + plan.ahead)
        self._handed_out_at = self._clock()
        return run

    def _ready(self) -> int:
        return len(self._written) - self._taken

    def _write_until(self, goal: int) -> None:
        self._goal = goal
        if self._worker is None or (self._worker.done() and not failed(self._worker)):
            self._worker = asyncio.get_running_loop().create_task(self._write())
            # An error that no step needs is dropped with the chain.
            self._worker.add_done_callback(failed)

    async def _write(self) -> None:
        """Write step after step up to the goal or the end of the answer."""
        try:
            while len(self._written) < self._goal:
                request = self._request_after(self._written)
                if request is None:
                    return
                self._written.append(await self._write_step(request))
                self._arrived.set()
        finally:
            self._arrived.set()

    async def _write_step(self, request: StepRequest) -> Candidate:
        """One step. If this is cancelled the request stays in flight, for `cancel` to book."""
        self._in_flight = request, self._clock()
        try:
            candidate = await write_step(self._model, request)
        except Exception as error:
            self._in_flight, self._failed = None, spent_before(error)
            raise
        self._in_flight = None
        self._pace.drafted(candidate)
        return candidate

    def spans(self) -> list[Span]:
        """When what nobody has used yet was written, or is being written."""
        unused = self._written[self._taken :]
        spans = [span for item in unused for span in writing_span("draft", item, "wasted")]
        if self._in_flight is not None:
            request, started = self._in_flight
            now = self._clock()
            tokens = self._pace.speed.tokens_since(started, now, request)
            spans.append(given_up("draft", now - started, tokens))
        return spans

    def cancel(self) -> Entry:
        """Stop writing; the ledger entry of what was written, or being written, for nothing."""
        unused = [candidate["usage"] for candidate in self._written[self._taken :]]
        entry = in_vain("draft", add_usage(*unused, self._failed))
        if self._worker is not None:
            cancel(self._worker)
        if self._in_flight is not None:
            request, started = self._in_flight
            at_most = self._pace.speed.tokens_since(started, self._clock(), request)
            entry |= cancelled("draft", at_most)
        return entry
