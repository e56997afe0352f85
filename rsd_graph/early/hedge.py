"""A target that starts early: while the PRM scores a step that may well be rejected, the target is
already writing the one to put in its place.

The semantics stay exactly the same: the early request is the very request that is sent after a
rejection. If the step is rejected, its answer is used; if not, it is cancelled, and what it wrote
is booked as target tokens in vain.

Like look-ahead, it is found by content: an early answer serves only a call with that same prefix,
budget and seed. Nothing about it is in the graph's state.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from rsd_graph.answer.books import Books, spent_before
from rsd_graph.answer.ledger import Entry
from rsd_graph.answer.options import checked
from rsd_graph.answer.state import Candidate, Span
from rsd_graph.early.costs import booked_if_lost, cancelled, in_vain
from rsd_graph.early.matching import cancel, content, failed, is_reachable
from rsd_graph.early.odds import RejectionOdds
from rsd_graph.early.pace import Speed
from rsd_graph.early.runs import Runs
from rsd_graph.early.spans import given_up, write_step, writing_span
from rsd_graph.providers.base import StepModel, StepRequest


class Hedge:
    """Turns a step model into one that may start on a step before it is asked for it.

    What it wrote in vain is returned as entries of the ledger.

    Args:
        model: Writes single steps.
        threshold: Start early where the estimated probability of a rejection is at least this:
            0 always does; `None`, the default, never does and costs nothing.
    """

    def __init__(self, model: StepModel, threshold: float | None = None) -> None:
        self._model = model
        self._threshold: float | None = checked("hedge", threshold)
        self._odds = RejectionOdds()
        self._speed = Speed()
        self._draft_speed = Speed()
        self._reports_cache = True
        self._awaited: Runs[_Verdict] = Runs(drop=self._lost)
        self._prompts_read: Runs[int] = Runs(drop=lambda tokens: {})

    def consider(
        self, run: str, draft: Candidate, request_instead: Callable[[], StepRequest]
    ) -> Entry:
        """*draft* is about to be scored: start on what would replace it, if that is likely.

        Of several drafts only the first is hedged: what would replace a later one continues drafts
        that may be rejected themselves.

        Args:
            run: Identity of the answer.
            draft: The first step under decision.
            request_instead: What will be asked for if *draft* is rejected.

        Returns:
            The entry of an early start that this one replaces: the run was rewound, and never came
            back for it.
        """
        if self._threshold is None:
            return {}
        replaced = self._lost(self._awaited.take(run))
        self._draft_speed.learn(draft["usage"])
        verdict = _Verdict(request_instead(), self._odds.uncertainty(draft))
        if self._odds.probability(verdict.uncertainty) >= self._threshold:
            verdict.reading = self._new_to_target(run, draft["usage"]["prompt_tokens"])
            verdict.early = asyncio.get_running_loop().create_task(self._write_early(verdict))
            # The error of an early start that no step needs is dropped with it.
            verdict.early.add_done_callback(failed)
        self._awaited.keep(run, verdict)
        return replaced

    async def write_step(self, run: str, request: StepRequest, books: Books) -> Candidate:
        """The step, from an early start if it was on exactly this one.

        Args:
            run: Identity of the answer.
            request: What to write.
            books: Of the run, for what is lost: an early start on another step, a call that fails.

        Raises:
            ProviderError: The endpoint failed; if it failed early, it is not asked again.
        """
        verdict = self._awaited.take(run)
        if verdict is not None:
            is_asked_for = content(verdict.request) == content(request)
            self._odds.decided(verdict.uncertainty, rejected=is_asked_for)
            if is_asked_for and verdict.early is not None and is_reachable(verdict.early):
                try:
                    return await verdict.early
                except BaseException:
                    books.enter(self._lost(verdict))
                    raise
            books.enter(self._lost(verdict))
        return await self._write(request, books)

    def accepted(self, run: str) -> Entry:
        """The draft that was considered is good; the entry of what was written for nothing."""
        verdict = self._awaited.take(run)
        if verdict is not None:
            self._odds.decided(verdict.uncertainty, rejected=False)
        return self._lost(verdict)

    def spans(self, run: str) -> list[Span]:
        """When the target wrote what it started early for *run*, or is writing it."""
        verdict = self._awaited.find(run)
        if verdict is None or verdict.early is None or verdict.started is None:
            return []
        if verdict.early.done():
            lost = failed(verdict.early)
            return [] if lost else writing_span("target", verdict.early.result(), "wasted")
        now = verdict.early.get_loop().time()
        tokens = self._tokens_since(verdict.started, now, verdict.request)
        return [given_up("target", now - verdict.started, tokens)]

    def discard(self, run: str) -> Entry:
        """Cancel what was started early for *run*; the entry of what that wasted."""
        self._prompts_read.end(run)
        return self._awaited.end(run)

    async def _write(self, request: StepRequest, books: Books) -> Candidate:
        """A step that was not started early."""
        clock = asyncio.get_running_loop().time
        started = clock()
        with booked_if_lost(books, "target", lambda: self._tokens_since(started, clock(), request)):
            candidate = await write_step(self._model, request)
        return self._learn(candidate)

    async def _write_early(self, verdict: _Verdict) -> Candidate:
        verdict.started = asyncio.get_running_loop().time()
        return self._learn(await write_step(self._model, verdict.request))

    def _learn(self, candidate: Candidate) -> Candidate:
        self._speed.learn(candidate["usage"])
        self._reports_cache = not candidate["usage"]["cache_unreported_calls"]
        return candidate

    def _new_to_target(self, run: str, prompt_tokens: int) -> int:
        """Tokens of this prompt that no early request of this answer has made the target read.

        The prompt is as long as the draft's, who was asked the same. Where the server says nothing
        about its cache, all of it counts, as it does for finished calls.
        """
        read = self._prompts_read.take(run) or 0
        self._prompts_read.keep(run, prompt_tokens)
        return max(0, prompt_tokens - read) if self._reports_cache else prompt_tokens

    def _lost(self, verdict: _Verdict | None) -> Entry:
        """Stop; the ledger entry of what was written, or being written, for nothing."""
        if verdict is None or (early := verdict.early) is None:
            return {}
        if early.done() and not early.cancelled():
            error = early.exception()
            return in_vain("target", spent_before(error) if error else early.result()["usage"])
        cancel(early)
        if verdict.started is None:
            return {}
        now = early.get_loop().time()
        entry = cancelled("target", self._tokens_since(verdict.started, now, verdict.request))
        return entry | Entry(cancelled_target_prompt_tokens=verdict.reading)

    def _tokens_since(self, started: float, now: float, request: StepRequest) -> int:
        """No target is faster than its draft: all there is to go by before its first step."""
        speeds = (self._speed, self._draft_speed)
        return min(speed.tokens_since(started, now, request) for speed in speeds)


@dataclass(slots=True)
class _Verdict:
    """A verdict that is awaited, and the target's step in case it is a rejection.

    Attributes:
        request: For the step that a rejection would ask for.
        uncertainty: The draft's about its own step.
        early: The task that writes it already, if one does.
        started: When that one asked the target, by its event loop's clock; `None` before.
        reading: Tokens of the request that the target has to read for it, estimated.
    """

    request: StepRequest
    uncertainty: float
    early: asyncio.Task[Candidate] | None = None
    started: float | None = None
    reading: int = 0
