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
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from rsd_graph.errors import ConfigurationError
from rsd_graph.ledger import add_usage
from rsd_graph.providers.base import StepModel, StepRequest
from rsd_graph.state import Candidate

Lookahead = int | Literal["auto"]

RequestAfter = Callable[[Sequence[Candidate]], StepRequest | None]
"""The request for the step after these drafted ones; `None` if they would end the answer."""


class Drafter:
    """Turns a step model into one that writes runs of consecutive steps.

    Args:
        model: Writes single steps.
        depth: Steps that may be drafted beyond the one under decision, or `"auto"`: as many as the
            PRM's waiting time has room for, while the waste stays under *max_waste*.
        max_waste: For `"auto"`, the share of draft tokens that may be wasted.
    """

    _REMEMBERED_RUNS = 10_000

    def __init__(self, model: StepModel, depth: Lookahead = 0, max_waste: float = 0.1) -> None:
        if depth != "auto" and depth < 0:
            raise ConfigurationError(f"lookahead={depth}.", expected="0, 1, 2, … or 'auto'")
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
            candidates = await chain.take(self._allowed())
        except BaseException:
            chain.cancel()
            raise
        self._remember(run, chain)
        return candidates

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

    def _allowed(self) -> int:
        return self._pace.depth() if self._depth == "auto" else self._depth


@dataclass
class Pace:
    """What has been measured, and how far ahead it pays to run.

    Running averages over all answers of one drafter, in milliseconds and tokens.
    """

    max_waste: float
    draft_ms: float = 0.0
    verdict_ms: float = 0.0
    fastest_token_ms: float = math.inf
    drafted_tokens: int = field(default=0)
    wasted_tokens: int = field(default=0)

    def depth(self) -> int:
        """Steps the draft can write in one verdict's time; none while too much was wasted."""
        if self.wasted_tokens > self.max_waste * self.drafted_tokens:
            return 0
        return min(8, 1 + round(self.verdict_ms / self.draft_ms)) if self.draft_ms else 1

    def drafted(self, candidate: Candidate) -> None:
        """Learn from a finished draft."""
        tokens, elapsed = candidate["usage"]["completion_tokens"], candidate["usage"]["ms"]
        self.drafted_tokens += tokens
        self.draft_ms = _average(self.draft_ms, elapsed)
        if tokens and elapsed:
            self.fastest_token_ms = min(self.fastest_token_ms, elapsed / tokens)

    def decided(self, elapsed_ms: float) -> None:
        """Learn how long a verdict took."""
        self.verdict_ms = _average(self.verdict_ms, elapsed_ms)

    def tokens_within(self, elapsed_ms: float, most: int) -> int:
        """At most this many tokens can have been written in that time, at the best pace seen."""
        if math.isinf(self.fastest_token_ms):
            return most
        return min(most, math.ceil(elapsed_ms / self.fastest_token_ms))


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
        self._handed_out_at = 0.0

    def continues(self, request: StepRequest) -> bool:
        """Whether this chain's next step is the answer to exactly *request*."""
        upcoming = self.upcoming()
        return upcoming is not None and _key(upcoming) == _key(request)

    def upcoming(self) -> StepRequest | None:
        """The request for the first step not taken yet; `None` after the end of the answer."""
        return self._request_after(self._written[: self._taken])

    async def take(self, depth: int) -> list[Candidate]:
        """Everything written and not taken yet, at least one; go on writing *depth* beyond it."""
        if self._taken:
            self._pace.decided(_ms_since(self._handed_out_at))
        ready = len(self._written) - self._taken
        self._write_until(self._taken + max(1, ready) + depth)
        while len(self._written) == self._taken:
            if self._worker and self._worker.done():
                self._worker.result()  # raises what stopped the writing
            await self._arrived.wait()
            self._arrived.clear()
        run = self._written[self._taken :]
        self._taken = len(self._written)
        self._write_until(self._taken + depth)
        self._handed_out_at = time.perf_counter()
        return run

    def _write_until(self, goal: int) -> None:
        self._goal = goal
        if self._worker is None or (self._worker.done() and not _failed(self._worker)):
            self._worker = asyncio.get_running_loop().create_task(self._write())
            # An error nobody comes to hear about is dropped with the chain.
            self._worker.add_done_callback(_failed)

    async def _write(self) -> None:
        """Write step after step up to the goal or the end of the answer."""
        try:
            while len(self._written) < self._goal:
                request = self._request_after(self._written)
                if request is None:
                    return
                self._in_flight = request, time.perf_counter()
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
        self._pace.wasted_tokens += wasted + entry.get("cancelled_draft_tokens", 0)
        return entry

    def _cancelled_entry(self) -> dict[str, int]:
        """What the request in flight may have generated before it was closed."""
        if self._in_flight is None:
            return {}
        request, started = self._in_flight
        tokens = self._pace.tokens_within(_ms_since(started), request.max_tokens)
        return {"cancelled_calls": 1, "cancelled_draft_tokens": tokens}


def _failed(worker: asyncio.Task[None]) -> bool:
    return worker.cancelled() or worker.exception() is not None


def _key(request: StepRequest) -> tuple[object, ...]:
    """What decides a request's answer, by content."""
    prefix = request.prefix
    return (prefix.conversation, prefix.text, request.max_tokens, request.sampling, request.seed)


def _average(old: float, new: float, weight: float = 0.1) -> float:
    return new if old == 0 else (1 - weight) * old + weight * new


def _ms_since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
