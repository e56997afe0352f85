"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio

import pytest


class Clock:
    """The time of an event loop and, 1000 seconds ahead of it, of the world."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        """Seconds of the event loop."""
        return self.now


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of the event loop in which the test runs."""
    stopped = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", stopped)
    monkeypatch.setattr("time.time", lambda: 1000 + stopped.now)
    return stopped
