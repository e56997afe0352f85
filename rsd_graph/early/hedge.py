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
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rsd_graph.answer.options import checked
from rsd_graph.answer.state import Candidate
from rsd_graph.early.matching import content, failed, is_reachable
from rsd_graph.early.odds import RejectionOdds
from rsd_graph.early.pace import Speed
from rsd_graph.providers.base import StepModel, StepRequest


class Hedge:
    """Turns a step model into one that may start on a step before it is asked for it.

    What it wrote in vain is returned as entries for `rsd_graph.answer.ledger.add`.

    Args:
        model: Writes single steps.
        threshold: Start early where the estimated probability of a rejection is at least this:
            0 always does; `None`, the default, never does and costs nothing.
    """

    _REMEMBERED_RUNS = 10_000

    def __init__(self, model: StepModel, threshold: float | None = None) -> None:
        self._model = model
        self._threshold: float | None = checked("hedge", threshold)
        self._odds = RejectionOdds()
        self._speed = Speed()
        self._draft_speed = Speed()
        self._reports_cache = True
        self._bets: OrderedDict[int, _Bet] = OrderedDict()
        self._read: OrderedDict[int, int] = OrderedDict()

    def consider(
        self, run: int, draft: Candidate, request_instead: Callable[[], StepRequest]
    ) -> dict[str, Any]:
        """*draft* is about to be scored: start on what would replace it, if that is likely.

        Of several drafts only the first is hedged: what would replace a later one continues drafts
        that may be rejected themselves.

        Args:
            run: Identity of the answer.
            draft: The first step under decision.
            request_instead: What will be asked for if *draft* is rejected.

        Returns:
            The entry of an early start that this one replaces: a twin's of this answer, at work
            with the same seed, or one that nobody came back for.
        """
        if self._threshold is None:
            return {}
        replaced = self._lost(self._bets.pop(run, None))
        self._draft_speed.learn(draft["usage"])
        bet = _Bet(request_instead(), self._odds.doubt(draft), asyncio.get_running_loop().time())
        if self._odds.probability(bet.doubt) >= self._threshold:
            bet.reading = self._new_to_target(run, draft["usage"]["prompt_tokens"])
            bet.early = self._start(bet.request)
        self._bets[run] = bet
        if len(self._bets) > self._REMEMBERED_RUNS:
            self.discard(next(iter(self._bets)))
        return replaced

    async def write_step(self, run: int, request: StepRequest) -> tuple[Candidate, dict[str, Any]]:
        """The step, and the entry of an early start that was on another one.

        Raises:
            ProviderError: The endpoint failed; if it failed early, it is not asked again.
        """
        bet, waste = self._bets.pop(run, None), {}
        if bet is not None:
            is_asked_for = content(bet.request) == content(request)
            self._odds.decided(bet.doubt, rejected=is_asked_for)
            if is_asked_for and bet.early is not None and is_reachable(bet.early):
                return await bet.early, {}
            waste = self._lost(bet)
        return await self._write(request), waste

    def accepted(self, run: int) -> dict[str, Any]:
        """The draft that was considered is good; the entry of what was written for nothing."""
        bet = self._bets.pop(run, None)
        if bet is not None:
            self._odds.decided(bet.doubt, rejected=False)
        return self._lost(bet)

    def discard(self, run: int | None) -> dict[str, Any]:
        """Cancel what was started early for *run*; the entry of what that wasted."""
        if run is None:
            return {}
        self._read.pop(run, None)
        return self._lost(self._bets.pop(run, None))

    def _start(self, request: StepRequest) -> asyncio.Task[Candidate]:
        early = asyncio.get_running_loop().create_task(self._write(request))
        # An error nobody comes to hear about is dropped with the bet.
        early.add_done_callback(failed)
        return early

    async def _write(self, request: StepRequest) -> Candidate:
        candidate = await self._model.write_step(request)
        self._speed.learn(candidate["usage"])
        self._reports_cache = not candidate["usage"]["cache_unreported_calls"]
        return candidate

    def _new_to_target(self, run: int, prompt_tokens: int) -> int:
        """Tokens of this prompt that no early request of this answer has made the target read.

        The prompt is as long as the draft's, who was asked the same. Where the server says nothing
        about its cache, all of it counts, as it does for finished calls.
        """
        read = self._read.pop(run, 0) if self._reports_cache else 0
        self._read[run] = prompt_tokens
        if len(self._read) > self._REMEMBERED_RUNS:
            self._read.popitem(last=False)
        return max(0, prompt_tokens - read)

    def _lost(self, bet: _Bet | None) -> dict[str, Any]:
        """Stop; the ledger entry of what was written, or being written, for nothing."""
        if bet is None or (early := bet.early) is None or (early.done() and failed(early)):
            return {}
        if early.done():
            spent = early.result()["usage"]
            return {"target": spent, "wasted_target_tokens": spent["completion_tokens"]}
        early.cancel()
        elapsed_ms = (early.get_loop().time() - bet.started) * 1000
        # No target is faster than its draft, which is all there is to go by before its first step.
        speeds = (self._speed, self._draft_speed)
        most = min(speed.tokens_within(elapsed_ms, bet.request.max_tokens) for speed in speeds)
        return {
            "cancelled_calls": 1,
            "cancelled_target_tokens": most,
            "cancelled_target_prompt_tokens": bet.reading,
        }


@dataclass(slots=True)
class _Bet:
    """A verdict that is awaited, and the target's step in case it is a rejection.

    Attributes:
        started: When it was made, by its event loop's clock.
        reading: Tokens of the request that the target has to read for it, estimated.
    """

    request: StepRequest
    doubt: float
    started: float
    early: asyncio.Task[Candidate] | None = None
    reading: int = 0
