"""Server-sent events on a connection that stays alive, and work that ends when nobody listens."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import aclosing, suppress
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

T = TypeVar("T")

KEEP_ALIVE_SECONDS = 15.0
"""After this long without a step a comment is sent: proxies cut silent connections."""

_COMMENT = b": keep-alive\n\n"
_DONE = b"data: [DONE]\n\n"
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class HungUpError(Exception):
    """The client has closed its connection; nobody will read an answer."""


async def unless_hung_up(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of *work*, which is cancelled, and its remote work with it, if the client leaves.

    Args:
        receive: The request's, after its whole body has been read.
        work: What is done for this client alone.

    Raises:
        HungUpError: The client left first.
    """
    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_hang_up(receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HungUpError
        return task.result()
    finally:
        for each in (task, leaving):
            each.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """A response of server-sent events, one JSON object each, ended by `[DONE]`.

    Servers differ in whether they notice a client that leaves between two events, so this one
    watches for itself.

    Args:
        events: What is sent.
        close: Called once nothing more will be, however it ends.
    """

    def __init__(
        self, events: AsyncGenerator[dict[str, object]], close: Callable[[], Awaitable[None]]
    ) -> None:
        self._events = events
        self._close = close
        self.status_code = 200
        self.background = None
        self.body = b""
        self.media_type = "text/event-stream"
        self.init_headers(_HEADERS)
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until they end or the client leaves."""
        try:
            with suppress(HungUpError):
                await unless_hung_up(receive, self._send(send))
        finally:
            await self._close()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async with aclosing(_kept_alive(self._events)) as pieces:
            async for piece in pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": _DONE, "more_body": False})


async def _kept_alive(events: AsyncGenerator[dict[str, object]]) -> AsyncGenerator[bytes]:
    """Each event as bytes, and a comment whenever none has come for a while."""
    waiting: asyncio.Future[dict[str, object]] | None = None
    async with aclosing(events):
        try:
            while True:
                waiting = waiting or asyncio.ensure_future(anext(events))
                # Not `wait_for`, which would cancel the step that is being written.
                await asyncio.wait({waiting}, timeout=KEEP_ALIVE_SECONDS)
                if not waiting.done():
                    yield _COMMENT
                    continue
                done, waiting = waiting, None
                try:
                    yield b"data: " + json.dumps(done.result()).encode() + b"\n\n"
                except StopAsyncIteration:
                    return
        finally:
            if waiting is not None:
                waiting.cancel()
                await asyncio.gather(waiting, return_exceptions=True)
