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
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, cast

from rsd_graph.answer.ledger import add_usage
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import Candidate
from rsd_graph.early.matching import content, failed, is_reachable
from rsd_graph.early.pace import Pace, Plan
from rsd_graph.errors import ConfigurationError
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

    _REMEMBERED_RUNS = 10_000

    def __init__(self, model: StepModel, depth: Lookahead = 0, max_waste: float = 0.1) -> None:
        if depth != "auto" and depth < 0:
            raise ConfigurationError(f"lookahead={depth}.", expected="0, 1, 2, … or 'auto'")
        if not 0 <= max_waste <= 1:
            raise ConfigurationError(f"max_waste={max_waste}.", expected="a share from 0 to 1")
        self._model = model
        self._depth = depth
        self._pace = Pace(max_waste)
        self._chains: OrderedDict[int, _Chain] = OrderedDict()

    async def write_run(self, run: int, request_after: RequestAfter) -> list[Candidate]:
        """The next step of *run*, and any that follow it and are finished already.

        Args:
            run: Identity of the answer; its look-ahead is cancelled when a rejection shows.
            request_after: What to ask for next; see `RequestAfter`.
        """
        # With nothing drafted ahead there is always a next step: a finished answer ends the graph.
        request = cast("StepRequest", request_after(()))
        if self._depth == 0:
            return [await self._model.write_step(request)]
        chain = self._resume(run, request) or _Chain(self._model, request_after, self._pace)
        try:
            candidates = await chain.take(self._plan())
        except BaseException:
            chain.cancel()
            raise
        self._remember(run, chain)
        return candidates

    def scored(self, scores: Scores, settled: int) -> None:
        """Learn how the PRM reads: one that reports *settled* steps again has read them again."""
        if settled:
            self._pace.rereads = len(scores.step_rewards) > len(scores.rewards)

    def reject(self, run: int, accepted: int) -> dict[str, Any]:
        """`discard` after a rejection; *accepted* steps of the last run were good before it."""
        if chain := self._chains.get(run):
            self._pace.decided(chain.waited_ms(), accepted, rejected=True)
        return self.discard(run)

    def discard(self, run: int | None) -> dict[str, Any]:
        """Cancel what *run* drafted ahead; the ledger entry of what that wasted."""
        chain = self._chains.pop(run, None) if run is not None else None
        return chain.cancel() if chain else {}

    def _resume(self, run: int, request: StepRequest) -> _Chain | None:
        """The chain that already continues exactly this request, if there is one."""
        chain = self._chains.pop(run, None)
        if chain is not None and not chain.continues(request):
            chain.cancel()
            return None
        return chain

    def _remember(self, run: int, chain: _Chain) -> None:
        """Keep a chain with more to write; runs nobody came back for are cancelled in the end."""
        if chain.upcoming() is None:
            return
        if (rival := self._chains.pop(run, None)) is not None:
            rival.cancel()
        self._chains[run] = chain
        if len(self._chains) > self._REMEMBERED_RUNS:
            self._chains.popitem(last=False)[1].cancel()

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
            # An error nobody comes to hear about is dropped with the chain.
            self._worker.add_done_callback(failed)

    async def _write(self) -> None:
        """Write step after step up to the goal or the end of the answer."""
        try:
            while len(self._written) < self._goal:
                request = self._request_after(self._written)
                if request is None:
                    return
                self._in_flight = request, self._clock()
                candidate = await self._model.write_step(request)
                self._in_flight = None
                self._pace.drafted(candidate)
                self._written.append(candidate)
                self._arrived.set()
        finally:
            self._arrived.set()

    def cancel(self) -> dict[str, Any]:
        """Stop writing; the ledger entry of what was written, or being written, for nothing."""
        unused = self._written[self._taken :]
        wasted = sum(candidate["usage"]["completion_tokens"] for candidate in unused)
        entry: dict[str, Any] = {
            "draft": add_usage(*(candidate["usage"] for candidate in unused)),
            "wasted_draft_tokens": wasted,
        }
        if self._worker is not None and not self._worker.done():
            self._worker.cancel()
            entry |= self._cancelled_entry()
        return entry

    def _cancelled_entry(self) -> dict[str, int]:
        """What the request in flight may have generated before it was closed."""
        if self._in_flight is None:
            return {}
        request, started = self._in_flight
        elapsed_ms = (self._clock() - started) * 1000
        tokens = self._pace.speed.tokens_within(elapsed_ms, request.max_tokens)
        return {"cancelled_calls": 1, "cancelled_draft_tokens": tokens}
