"""Connections that are kept alive, and never used again if a server said more than it was asked.

aiohttp hands a kept connection out without looking whether there are bytes on it already. They
would be taken for the next answer, and that answer for the one after it: another question's text.
"""

from __future__ import annotations

import select
import ssl
import weakref
from contextvars import ContextVar
from functools import cached_property, partial

import aiohttp
import httpx2
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

_last: ContextVar[weakref.ref[ResponseHandler]] = ContextVar("last connection of this task")


class CleanConnector(aiohttp.TCPConnector):
    """Closes a kept connection with unread bytes instead of handing it out."""

    @cached_property
    def _used(self) -> weakref.WeakSet[ResponseHandler]:
        """What was handed out before: on a new connection nothing can be left over."""
        return weakref.WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> Connection:
        """See `aiohttp.BaseConnector.connect`."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            if protocol is None:
                return connection
            if protocol not in self._used or not _says_too_much(protocol):
                self._used.add(protocol)
                _last.set(weakref.ref(protocol))
                return connection
            connection.close()


def _says_too_much(protocol: ResponseHandler) -> bool:
    """Whether there are bytes on an unused connection: read ones, or in the system's buffer.

    In the buffer of one that is encrypted there may be words of TLS.
    """
    transport = protocol.transport
    if protocol.should_close or transport is None:
        return protocol.should_close
    if transport.get_extra_info("sslcontext") is not None or not hasattr(select, "poll"):
        return False
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(waiting.poll(0))


def close_last_connection() -> None:
    """Close the connection over which this task asked last, also if it is used again by now.

    For an answer that makes no sense: it may be one that somebody else is owed, and ours be on its
    way to whoever is next on this connection. Who is asking there meets a broken connection.
    """
    last = _last.get(None)
    protocol = last() if last else None
    if protocol is not None:
        protocol.abort()


def over_clean_connections(http: httpx2.AsyncClient, limits: httpx2.Limits) -> httpx2.AsyncClient:
    """*http*, the openai SDK's aiohttp client, over such connections; proxies are kept.

    The SDK makes its transports itself, and has no option for what they connect with.
    """
    for transport in (http._transport, *http._mounts.values()):
        if isinstance(tls := getattr(transport, "ssl_context", None), ssl.SSLContext):
            vars(transport)["client"] = partial(_session, tls, limits)
    return http


def _session(tls: ssl.SSLContext, limits: httpx2.Limits) -> aiohttp.ClientSession:
    """Made inside the event loop that uses it."""
    most, idle = limits.max_connections or 0, limits.keepalive_expiry
    return aiohttp.ClientSession(
        connector=CleanConnector(ssl=tls, limit=most, keepalive_timeout=idle)
    )
