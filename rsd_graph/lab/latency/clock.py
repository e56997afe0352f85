"""A virtual clock: simulated seconds pass only while everybody sleeps, and cost nothing.

What runs on it is exact and repeatable: the client's own CPU time counts as zero there, so it is
measured apart (`overhead.py`) and checked end to end against a real clock (`simulator.py`).
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):
    """Polls instead of waiting, and books the time it would have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:  # nothing is due: only another thread can go on
            return super().select(None)
        events = super().select(0)
        if not events:
            self.now += max(0.0, timeout)
        return events


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose `time()` jumps to the next timer when nothing else is left to do."""

    def __init__(self) -> None:
        self._clock = _JumpingSelector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._clock.now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* on a virtual clock of its own."""
    with asyncio.Runner(loop_factory=VirtualClockLoop) as runner:
        return runner.run(main)
