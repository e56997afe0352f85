"""How many requests may be in flight at one server: a limit that finds its level.

A server that refuses (429, 503) or lets a request time out has too many: the limit is lowered by a
factor, once for all requests that were under way by then, and raised by one for each round of
answers after that (additive increase, multiplicative decrease: Chiu and Jain 1989).

A server that only queues never refuses. Where the limit is `"auto"`, what it answers in a second is
found by Little's law, requests in flight over their mean time, and the limit climbs as long as that
is worth it: as long as a tenth more in flight is more than three hundredths more answered. Time
alone would not do (as in TCP Vegas or Netflix's gradient limits): a server that batches answers
each request later and all of them sooner, long before it is full.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType

LOWERED = 0.7
"""What a refusal leaves of the limit."""

WORTH = 0.3
"""The least growth of the answers, over that of the requests in flight, that is worth it."""

FIRST, FIRST_STEP, STEP = 8, 2.0, math.sqrt(2)
"""Where a search begins, and by which factors it goes, before it first turns back and after."""

WINDOW = 128
"""Fewest answers that are compared with as many others: with fewer, chance decides."""

_TELLS = 0.2
"""The least difference in what was in flight, as a logarithm, that says anything about the rate."""

_FORGETS = 1.02
"""Where a server refused is approached by ones; by so much this place rises with each window."""

_OVERLOADED = (429, 503)


@dataclass(slots=True)
class Level:
    """A limit on requests in flight; pure, so that it can be watched and tested.

    Attributes:
        most: What it never exceeds.
        searches: Whether it looks for the best limit itself; else it begins at *most*.
        limit: How many requests may be in flight now; at least 1.
        round: Counts its changes. What began in an earlier round says nothing about this one.
    """

    most: int
    searches: bool = False
    limit: int = field(init=False)
    round: int = 0
    _step: float = FIRST_STEP
    _refused_at: float = math.inf
    _before: tuple[float, float] | None = None
    _count: int = 0
    _seconds: float = 0.0
    _in_flight: int = 0

    def __post_init__(self) -> None:
        self.limit = min(FIRST, self.most) if self.searches else self.most

    def refused(self, began: int) -> None:
        """A request that began in round *began* was too many."""
        if began == self.round:
            self._refused_at, self._before, self._step = self.limit, None, STEP
            self._change(int(self.limit * LOWERED))

    def answered(self, began: int, seconds: float, in_flight: int) -> None:
        """A request that began in round *began*, with *in_flight* others, took *seconds*."""
        if began != self.round:
            return
        self._count += 1
        self._seconds += seconds
        self._in_flight += in_flight
        if not self.searches:
            if self.limit < self.most and self._count >= self.limit:
                self._change(self.limit + 1)
        elif self._count >= max(WINDOW, 4 * self.limit):
            self._look()

    def _look(self) -> None:
        """Compare this window with the one before, and climb or turn back."""
        many, rate = self._in_flight / self._count, self._in_flight / max(1e-9, self._seconds)
        if many < 0.9 * self.limit:  # nobody asked for more: the limit had no part in it
            self._restart()
            return
        self._refused_at *= _FORGETS
        before, more = self._before, math.log(many / self._before[0]) if self._before else 0.0
        if before and abs(more) < _TELLS:
            self._change(self._next(up=True) or self.limit)
            return
        self._before = (many, rate)
        is_worth_it = not before or math.log(rate / before[1]) / more >= WORTH
        if not is_worth_it:
            self._step = STEP
        self._change(self._next(up=is_worth_it) or self._next(up=not is_worth_it))

    def _next(self, *, up: bool) -> int:
        """The next limit in this direction; 0 if there is none."""
        if not up:
            return min(self.limit - 1, round(self.limit / self._step))
        if self.limit >= self.most:
            return 0
        higher = max(self.limit + 1, round(self.limit * self._step))
        return self.limit + 1 if higher >= self._refused_at else higher

    def _change(self, limit: int) -> None:
        self.limit = max(1, min(self.most, limit))
        self.round += 1
        self._restart()

    def _restart(self) -> None:
        self._count, self._seconds, self._in_flight = 0, 0.0, 0


class Gate:
    """Lets as many requests in as *level* says, first come first served.

    Attributes:
        level: How many.
        inside: Requests in flight.
    """

    def __init__(self, level: Level) -> None:
        self.level = level
        self.inside = 0
        self._waiting: deque[asyncio.Future[int]] = deque()

    def turn(self) -> Turn:
        """A request's turn: enter it, say how it ended, leave it."""
        return Turn(self)

    async def enter(self) -> int:
        """Wait for a place; the round of the level in which it was given."""
        if not self._waiting and self._is_open():
            self.inside += 1
            return self.level.round
        place: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to whoever has waited longest; to several, if the limit has risen."""
        self.inside -= 1
        while self._waiting and self._is_open():
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(self.level.round)
                self.inside += 1

    def _is_open(self) -> bool:
        return self.inside < self.level.limit


class Turn:
    """One request at a gate."""

    __slots__ = ("_began", "_gate", "_in_flight", "_started")

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __aenter__(self) -> Turn:
        self._began = await self._gate.enter()
        self._in_flight = self._gate.inside
        self._started = asyncio.get_running_loop().time()
        return self

    def answered(self, status: int) -> None:
        """The server has answered, with this HTTP status."""
        if status in _OVERLOADED:
            self._gate.level.refused(self._began)
        elif status < 400:
            seconds = asyncio.get_running_loop().time() - self._started
            self._gate.level.answered(self._began, seconds, self._in_flight)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, TimeoutError):
            self._gate.level.refused(self._began)
        self._gate.leave()


_WATCHED: ContextVar[dict[str, Level] | None] = ContextVar("rsd_levels", default=None)


@contextmanager
def watched_levels() -> Iterator[dict[str, Level]]:
    """The levels of all servers that are asked inside, by role and address, as they are met."""
    levels: dict[str, Level] = {}
    token = _WATCHED.set(levels)
    try:
        yield levels
    finally:
        _WATCHED.reset(token)


def show_level(name: str, level: Level) -> None:
    """Tell whoever watches that the server *name* is asked at this level."""
    watched = _WATCHED.get()
    if watched is not None:
        watched[name] = level
