"""How many answers are worked on at once, and how the last ones end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from rsd_graph.server.failures import TIME_LIMIT, RefusedError

_RETRY_SECONDS = 1


class Admission:
    """A seat for every answer in flight, a short queue for those that wait, no more.

    Args:
        answers: Answers worked on at once.
        queue: Requests that may wait for a seat; the next is refused with 429.
    """

    def __init__(self, answers: int, queue: int) -> None:
        self._seats = asyncio.Semaphore(answers)
        self._places = answers + queue
        self._present = 0
        self._cut = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self.is_draining = False

    @property
    def in_flight(self) -> int:
        """Answers worked on or waiting."""
        return self._present

    @asynccontextmanager
    async def seat(self) -> AsyncGenerator[None]:
        """Hold a seat for one answer.

        Raises:
            RefusedError: 503 while draining, 429 where the queue is full.
        """
        if self.is_draining:
            raise _refused(503, "The server is shutting down.", "shutting_down")
        if self._present >= self._places:
            raise _refused(429, "Too many answers are in flight.", "rate_limit_exceeded")
        self._present += 1
        self._empty.clear()
        try:
            async with self._seats:
                yield
        finally:
            self._present -= 1
            if not self._present:
                self._empty.set()

    async def drain(self, seconds: float) -> None:
        """Take no new answers and wait for those in flight; after *seconds* cut them off."""
        self.is_draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._empty.wait()
        except TimeoutError:
            self._cut.set()
            await self._empty.wait()

    async def until_end(self, seconds: float) -> RefusedError:
        """Waits until an answer has to end, at the latest after *seconds*; says why."""
        try:
            async with asyncio.timeout(seconds):
                await self._cut.wait()
        except TimeoutError:
            said = f"The answer took longer than {seconds:g} s; what was sent stands."
            return RefusedError(said, status=504, kind="server_error", code=TIME_LIMIT)
        return _refused(503, "The server is shutting down; what was sent stands.", "shutting_down")


def _refused(status: int, message: str, code: str) -> RefusedError:
    kind = "rate_limit_error" if status == 429 else "server_error"
    return RefusedError(message, status=status, kind=kind, code=code, retry_after=_RETRY_SECONDS)
