"""One endpoint's HTTP: a shared pool, a limit, a timeout, retries, and errors in our words."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from typing import TypeVar
from weakref import WeakKeyDictionary

import httpx2
import openai

from rsd_graph.errors import AuthenticationError, MalformedResponseError, RSDError
from rsd_graph.providers.http import answers
from rsd_graph.providers.http.closing import Guard, guarded
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.failures import exchange_error, status_error
from rsd_graph.providers.http.level import Gate
from rsd_graph.providers.http.pool import close_last_connection, over_clean_connections
from rsd_graph.providers.http.replicas import Replicas
from rsd_graph.providers.http.retry import with_retries
from rsd_graph.providers.http.session import session_headers
from rsd_graph.providers.telemetry import trace_headers

T = TypeVar("T")

MOST_BYTES = 64 * 2**20
"""How long an answer may be, unpacked: three times the probabilities of a whole vocabulary."""

_MOST_REFUSAL_BYTES = 64 * 2**10
"""How much of a refusal is read: its words stand in front, and what it quotes behind."""

_ENCODINGS = ("", "identity", "gzip", "deflate")
"""Content encodings that are unpacked a piece at a time."""

_IDLE_SECONDS = 4.0
"""Idle connections are dropped before a server's usual five-second keep-alive can race us."""


@dataclass(frozen=True, slots=True)
class _Connections:
    """What belongs to one event loop: connections, the servers they lead to, who closes them."""

    http: httpx2.AsyncClient
    replicas: Replicas
    guard: Guard


class Client:
    """Speaks JSON to one endpoint from any event loop; safe to share between many answers.

    Cancelling a call closes its request, which makes the server stop its work.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connections] = (
            WeakKeyDictionary()
        )

    async def post(self, path: str, body: Mapping[str, object], shape: type[T]) -> T:
        """POST *body* to the route *path* under the server's root; the answer as a *shape*.

        Raises:
            InputError: The body cannot be written as JSON.
            MalformedResponseError: The answer is no JSON, too long, or of another shape.
            ProviderError: Any other failure, after the endpoint's retries.
        """
        answer, _ = await self.post_with_headers(path, body, shape)
        return answer

    async def post_with_headers(
        self, path: str, body: Mapping[str, object], shape: type[T]
    ) -> tuple[T, Mapping[str, str]]:
        """Like `post`, with the answer's headers: some servers report their counts there."""
        return await self._ask("POST", path, shape, answers.encoded(body, self.endpoint))

    async def get(self, path: str, shape: type[T]) -> T:
        """GET the route *path* under the server's root; the answer as a *shape*."""
        answer, _ = await self._ask("GET", path, shape)
        return answer

    async def page(self, path: str) -> str:
        """GET the route *path* as text, in one try."""
        answer, _ = await self._exchange("GET", path, None)
        return answer.decode("utf-8", "replace")

    async def _ask(
        self, method: str, path: str, shape: type[T], body: bytes | None = None
    ) -> tuple[T, Mapping[str, str]]:
        answer, headers = await with_retries(
            self.endpoint.retry, self._exchange, method, path, body
        )
        kind = headers.get("content-type", "no content type")
        try:
            return answers.decoded(answer, shape, self.endpoint, kind), headers
        except MalformedResponseError:
            close_last_connection()
            raise

    async def _exchange(
        self, method: str, path: str, body: bytes | None
    ) -> tuple[bytes, Mapping[str, str]]:
        connections = await self._connections()
        ask = partial(self._exchange_with, connections.http, method, path, body)
        return await connections.replicas.ask(ask)

    async def _exchange_with(
        self,
        http: httpx2.AsyncClient,
        method: str,
        path: str,
        body: bytes | None,
        endpoint: Endpoint,
        gate: Gate,
    ) -> tuple[bytes, Mapping[str, str]]:
        url = _url(endpoint.root + path)
        headers = {**session_headers(endpoint.session_header), **trace_headers()}
        try:
            async with (
                gate.turn() as turn,
                asyncio.timeout(endpoint.timeout),
                http.stream(method, url, content=body, headers=headers) as response,
            ):
                answer = await self._read(response)
                turn.answered(response.status_code)
        except RSDError:
            raise
        except Exception as error:  # not chained to ours: theirs holds the request with its key
            failure = exchange_error(error, endpoint)
        else:
            if response.is_success:
                return answer, response.headers
            failure = status_error(endpoint, response.status_code, answer, response.headers)
        raise failure

    async def _read(self, response: httpx2.Response) -> bytes:
        """The body, unpacked; of a refusal only the beginning."""
        encoding = response.headers.get("content-encoding", "").lower()
        if encoding not in _ENCODINGS:
            raise self.malformed(f"nobody asked for the content encoding {encoding!r}")
        most = MOST_BYTES if response.is_success else _MOST_REFUSAL_BYTES
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > most:
                if response.is_success:
                    raise self.malformed(f"it is longer than {most} bytes")
                break
        return bytes(body[:most])

    def malformed(self, what: str) -> MalformedResponseError:
        """The error for an answer that is not what the protocol promises."""
        return answers.malformed(self.endpoint, what)

    def reading(self) -> AbstractContextManager[None]:
        """See `answers.reading`."""
        return answers.reading(self.endpoint)

    async def _connections(self) -> _Connections:
        loop = asyncio.get_running_loop()
        connections = self._by_loop.get(loop)
        if connections is None:
            http = _http(self.endpoint)
            connections = _Connections(http, Replicas(self.endpoint), await guarded(http, self))
            self._by_loop[loop] = connections
        return connections

    async def aclose(self) -> None:
        """Close this event loop's connections; ending the loop or dropping the client does too."""
        connections = self._by_loop.pop(asyncio.get_running_loop(), None)
        if connections is not None:
            await connections.guard.aclose()


def _http(endpoint: Endpoint) -> httpx2.AsyncClient:
    """The SDK's aiohttp client without the SDK's request builder, which costs twice the exchange.

    Its pool is as wide as our limits; it neither retries nor follows redirects.
    """
    most = endpoint.most_in_flight * len(endpoint.replicas)
    limits = httpx2.Limits(
        max_connections=most,
        max_keepalive_connections=most,
        keepalive_expiry=_IDLE_SECONDS,
    )
    http = openai.DefaultAioHttpClient(
        limits=limits,
        follow_redirects=False,
        timeout=httpx2.Timeout(endpoint.timeout, connect=endpoint.connect_timeout),
        headers={
            "Accept-Encoding": "gzip, deflate",
            "Authorization": f"Bearer {_key(endpoint)}",
            "Content-Type": "application/json",
        },
        verify=_tls(),
    )
    return over_clean_connections(http, limits)


def _key(endpoint: Endpoint) -> str:
    """The key to send; servers without one take any word.

    Raises:
        AuthenticationError: There was one, but it stayed where the endpoint was pickled.
    """
    if endpoint.api_key is None:
        return "EMPTY"
    if key := endpoint.api_key.get_secret_value():
        return key
    name = f"RSD_{endpoint.role.upper()}_API_KEY" if endpoint.role else "RSD_API_KEY"
    raise endpoint.error(
        AuthenticationError,
        "the API key is empty.",
        expected="a key, or api_key=None for a server that wants none",
        hint=f"Keys are never pickled: set {name} in this process too.",
    )


@lru_cache(maxsize=256)
def _url(address: str) -> httpx2.URL:
    """An address, taken apart once and not for every request."""
    return httpx2.URL(address)


@cache
def _tls() -> ssl.SSLContext:
    """The trusted certificates, which take longer to load than all the rest of a client."""
    return httpx2.create_ssl_context()
