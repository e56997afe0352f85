"""How fast an endpoint is, and whether it works on several requests at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rsd_graph.stacks.doctor.finding import Finding, fine

_ALONE, _AT_ONCE = 3, 8

_OVERHEAD_SECONDS = 0.05
"""Below this a request is mostly HTTP, and says nothing about the server's batching."""


@dataclass(frozen=True, slots=True)
class _Rate:
    requests: int
    tokens: int
    seconds: float

    def __str__(self) -> str:
        requests, tokens = self.requests / self.seconds, self.tokens / self.seconds
        return f"{_three_digits(requests)} requests/s, {_three_digits(tokens)} tokens/s"


async def throughput(ask: Callable[[], Awaitable[int]]) -> Finding:
    """Eight requests at once against one after the other; *ask* does one and tells its tokens.

    A server that queues them takes eight times as long.
    """
    started = time.perf_counter()
    counts = [await ask() for _ in range(_ALONE)]
    one = _Rate(_ALONE, sum(counts), time.perf_counter() - started)
    started = time.perf_counter()
    counts = await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))
    many = _Rate(_AT_ONCE, sum(counts), time.perf_counter() - started)
    seen = f"one at a time {one}; {_AT_ONCE} at once {many}"
    latency = one.seconds / _ALONE
    if many.seconds < 6 * latency or latency < _OVERHEAD_SECONDS:
        return fine(seen)
    return "warn", seen, "It works on one request at a time: raise its parallel slots."


def _three_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"
