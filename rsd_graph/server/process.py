"""The server as a process: it starts, serves, and ends without losing what is being written."""

from __future__ import annotations

import asyncio
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from rsd_graph.errors import ConfigurationError
from rsd_graph.server.admission import Admission

_CLOSING_SECONDS = 5
"""For connections that stay open once every answer has ended."""


def run_server(app: ASGIApp, admission: Admission, listener: socket.socket, drain: float) -> None:
    """Serve until told to end; a second signal ends at once.

    Args:
        app: The ASGI app.
        admission: The app's own, which is drained.
        listener: See `listening`.
        drain: Seconds that answers in flight may still take.
    """
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=_CLOSING_SECONDS,
        server_header=False,
        ws="none",  # whose libraries need not be loaded
    )
    DrainingServer(config, admission, drain).run([listener])


def listening(host: str, port: int) -> socket.socket:
    """A socket on this address; port 0 takes any free one. Who connects waits for the server.

    Raises:
        ConfigurationError: The port is taken, or the address not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"cannot listen on {host}:{port}: {error.strerror}.", hint="Choose another --port."
        ) from error
    return listener


class DrainingServer(uvicorn.Server):
    """Told to end, it says that it is not ready and lets the answers in flight finish first."""

    def __init__(self, config: uvicorn.Config, admission: Admission, drain: float) -> None:
        super().__init__(config)
        self._admission = admission
        self._drain = drain
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal drains; the second ends at once."""
        if self._loop is None or self._admission.is_draining:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        self._admission.is_draining = True
        self._loop.call_soon_threadsafe(self._start_draining)

    def _start_draining(self) -> None:
        self._draining = asyncio.ensure_future(self._end())

    async def _end(self) -> None:
        await self._admission.drain(self._drain)
        self.should_exit = True
