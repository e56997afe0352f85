"""What the tests of early requests share."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers.clock import Clock


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Of the event loop in which the test runs; the world's is 1000 seconds ahead of it."""
    stopped = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", stopped)
    monkeypatch.setattr("time.time", lambda: 1000 + stopped.now)
    return stopped
