"""When connections are closed: as their event loop ends, or when nobody holds their client.

Connections belong to the event loop they were opened on and can be closed on no other. A client
outlives loops (`asyncio.run` once, then again), and no loop says beforehand that it will end. But
as a loop shuts down it closes every async generator that was begun on it and is still waiting at a
`yield`. So each set of connections gets such a generator, a *guard*: it waits at its only `yield`
and closes the connections when it is closed itself, whoever does it:

* the loop, as it ends (`asyncio.run`, a test's loop, our background loops);
* `Client.aclose`, on the loop itself;
* a finalizer, once the client has been collected. That happens on any thread, so it only asks the
  loop to close the guard, if the loop still runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Protocol
from weakref import finalize, ref

Guard = AsyncGenerator[None, None]

_KEPT_SECONDS = 4.0
"""How long a loop that shuts down may take to close its guards."""


class Closable(Protocol):
    """What a guard closes."""

    async def aclose(self) -> None:
        """Close it, on its own event loop."""
        ...


async def guarded(connections: Closable, owner: object) -> Guard:
    """A guard, begun, that closes *connections* with this event loop or with their *owner*."""
    guard = _guard(connections)
    await anext(guard)
    finalize(owner, _close_soon, ref(asyncio.get_running_loop()), guard).atexit = False
    return guard


async def _guard(connections: Closable) -> Guard:
    try:
        yield
    finally:
        await connections.aclose()


def _close_soon(loop: ref[asyncio.AbstractEventLoop], guard: Guard) -> None:
    """The owner is gone; whatever thread this is, the guard's own loop closes it."""
    running = loop()
    if running is not None and not running.is_closed():
        running.call_soon_threadsafe(_start_closing, running, guard)


def _start_closing(loop: asyncio.AbstractEventLoop, guard: Guard) -> None:
    def keep_if_cancelled(task: asyncio.Task[None]) -> None:
        if task.cancelled():  # the loop is ending: it closes the guards that are still referred to
            loop.call_later(_KEPT_SECONDS, id, guard)

    loop.create_task(_close(guard)).add_done_callback(keep_if_cancelled)


async def _close(guard: Guard) -> None:
    with suppress(RuntimeError):  # the loop shuts down and is closing it already
        await guard.aclose()
