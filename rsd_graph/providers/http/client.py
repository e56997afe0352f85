"""One endpoint's HTTP: a shared pool, a limit, a timeout, retries, and errors in our words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, finalize, ref

import httpx2
import openai

from rsd_graph.errors import MalformedResponseError, RSDError
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.failures import mapped_errors, status_error
from rsd_graph.providers.http.retry import with_retries

_IDLE_SECONDS = 4.0
"""Idle connections are dropped before a server's usual five-second keep-alive can race us."""


@dataclass(frozen=True, slots=True)
class _Pool:
    """What belongs to one event loop: connections and the queue for them."""

    http: httpx2.AsyncClient
    turn: asyncio.Semaphore
    closing: AsyncGenerator[None, None]


class Client:
    """Speaks JSON to one endpoint from any event loop; safe to share between many answers.

    Cancelling a call closes its request, which makes the server stop its work.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._pools: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pool] = WeakKeyDictionary()

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """POST *body* to the route *path* under the server's root; the JSON answer.

        Raises:
            ProviderError: Anything but a well-formed answer, after the endpoint's retries.
        """
        answer, _ = await self.post_with_headers(path, body)
        return answer

    async def post_with_headers(
        self, path: str, body: dict[str, Any]
    ) -> tuple[Any, Mapping[str, str]]:
        """Like `post`, with the answer's headers: some servers report their counts there."""
        return await with_retries(self.endpoint.retry, self._exchange, "POST", path, body)

    async def get(self, path: str) -> Any:
        """GET the route *path* under the server's root; the JSON answer."""
        answer, _ = await with_retries(self.endpoint.retry, self._exchange, "GET", path)
        return answer

    async def _exchange(
        self, method: str, path: str, body: Any = None
    ) -> tuple[Any, Mapping[str, str]]:
        pool = await self._pool()
        async with pool.turn:
            with mapped_errors(self.endpoint):
                async with asyncio.timeout(self.endpoint.timeout):
                    response = await pool.http.request(method, self.endpoint.root + path, json=body)
        if not response.is_success:
            body = _body_of(response)
            raise status_error(self.endpoint, response.status_code, body, response.headers)
        return self._json(response), response.headers

    def _json(self, response: httpx2.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            kind = response.headers.get("content-type", "no content type")
            what = f"{len(response.content)} bytes of {kind} are not JSON"
            raise self.malformed(what) from error

    def malformed(self, what: str) -> MalformedResponseError:
        """The error for an answer that is not what the protocol promises."""
        return MalformedResponseError(
            f"the answer cannot be used: {what}.",
            role=self.endpoint.role,
            endpoint=str(self.endpoint),
            hint="Does the provider in the endpoint string match the server?",
        )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Around the code that takes an answer apart: what is missing in it is the server's fault.

        Raises:
            MalformedResponseError: A field is missing or of the wrong type.
        """
        try:
            yield
        except RSDError:
            raise  # ours already; some are ValueErrors
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise self.malformed(f"{type(error).__name__} {error}") from error

    async def _pool(self) -> _Pool:
        loop = asyncio.get_running_loop()
        pool = self._pools.get(loop)
        if pool is None:
            http = _http(self.endpoint)
            pool = _Pool(http, asyncio.Semaphore(self.endpoint.max_concurrency), _closing(http))
            self._pools[loop] = pool
            finalize(self, _close_soon, ref(loop), pool.closing).atexit = False
            await anext(pool.closing)
        return pool

    async def aclose(self) -> None:
        """Close this event loop's connections; ending the loop or dropping the client does too."""
        pool = self._pools.pop(asyncio.get_running_loop(), None)
        if pool is not None:
            await pool.closing.aclose()


async def _closing(http: httpx2.AsyncClient) -> AsyncGenerator[None, None]:
    """Close *http* when this generator is: event loops close theirs as they shut down."""
    try:
        yield
    finally:
        await http.aclose()


def _close_soon(loop: ref[asyncio.AbstractEventLoop], closing: AsyncGenerator[None, None]) -> None:
    """The client is gone: close what it opened on *loop*, if that still runs."""
    running = loop()
    if running is not None and not running.is_closed():
        running.call_soon_threadsafe(_start_closing, running, closing)


def _start_closing(loop: asyncio.AbstractEventLoop, closing: AsyncGenerator[None, None]) -> None:
    def keep_if_cancelled(task: asyncio.Task[None]) -> None:
        if task.cancelled():  # the loop is ending: it closes generators that are still alive
            loop.call_later(_IDLE_SECONDS, id, closing)

    loop.create_task(_close(closing)).add_done_callback(keep_if_cancelled)


async def _close(closing: AsyncGenerator[None, None]) -> None:
    with suppress(RuntimeError):  # the loop shuts down and is closing it already
        await closing.aclose()


def _body_of(response: httpx2.Response) -> Any:
    """What a refusal says: JSON, or whatever text it is."""
    try:
        return response.json()
    except ValueError:
        return response.text


def _http(endpoint: Endpoint) -> httpx2.AsyncClient:
    """The SDK's aiohttp client without the SDK's request builder, which costs twice the exchange.

    Its pool is as wide as our limit; it neither retries nor follows redirects.
    """
    limits = httpx2.Limits(
        max_connections=endpoint.max_concurrency,
        max_keepalive_connections=endpoint.max_concurrency,
        keepalive_expiry=_IDLE_SECONDS,
    )
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else "EMPTY"
    return openai.DefaultAioHttpClient(
        limits=limits,
        follow_redirects=False,
        timeout=httpx2.Timeout(endpoint.timeout, connect=endpoint.connect_timeout),
        headers={"Authorization": f"Bearer {key}"},
    )
