"""Connections that are kept alive, and never used again if a server said more than it was asked.

aiohttp hands a kept connection out without looking whether there are bytes on it already. They
would be taken for the next answer, and that answer for the one after it: another question's text.
"""

from __future__ import annotations

import ssl
from functools import partial

import aiohttp
import httpx2
from aiohttp.connector import Connection
from aiohttp.tracing import Trace


class CleanConnector(aiohttp.TCPConnector):
    """Closes a kept connection with unread bytes instead of handing it out."""

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,
    ) -> Connection:
        """See `aiohttp.BaseConnector.connect`."""
        while True:
            connection = await super().connect(req, traces, timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


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
