"""What breaks between us and a server: the connection, the protocol, the clock, the stream."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import httpx2
import pytest
from aiohttp import web

from rsd_graph import (
    Endpoint,
    EndpointConnectionError,
    EndpointTimeoutError,
    MalformedResponseError,
    ProviderError,
    RetryPolicy,
)
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.failures import exchange_error
from tests.helpers.fake_endpoint import FakeEndpoint
from tests.helpers.raw_server import raw_server

ONCE = RetryPolicy(attempts=1)
ENDPOINT = Endpoint("http://localhost:1/v1", "m", "target", timeout=7, retry=ONCE)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (TimeoutError(), EndpointTimeoutError, "no complete answer within 7 s"),
        (aiohttp.SocketTimeoutError(), EndpointTimeoutError, "no complete answer within 7 s"),
        (aiohttp.ConnectionTimeoutError(), EndpointTimeoutError, "no connection within 7 s"),
        (httpx2.ReadTimeout("slow"), EndpointTimeoutError, "no complete answer"),
        (aiohttp.ServerDisconnectedError(), EndpointConnectionError, "broke before"),
        (aiohttp.ClientPayloadError("cut"), EndpointConnectionError, "broke before"),
        (ConnectionResetError("reset"), EndpointConnectionError, "no connection"),
        (httpx2.ConnectError("refused"), EndpointConnectionError, "no connection"),
        (httpx2.DecodingError("gzip"), MalformedResponseError, "cannot be read"),
        (httpx2.InvalidURL("bad"), EndpointConnectionError, "no connection"),
    ],
)
def test_errors_of_the_transport(error: Exception, kind: type[Exception], words: str) -> None:
    """Whatever the transport and the system raise is ours too, in words that tell them apart."""
    ours = exchange_error(error, ENDPOINT)

    assert type(ours) is kind
    assert words in str(ours)


async def test_a_dead_endpoint_is_no_connection(unused_tcp_port: int) -> None:
    """Nobody listening is a connection error, though the transport calls it a timeout."""
    endpoint = Endpoint(f"http://127.0.0.1:{unused_tcp_port}/v1", "m", "draft", retry=ONCE)

    with pytest.raises(EndpointConnectionError) as caught:
        await Client(endpoint).get("/health", dict)

    where = f"draft at http://127.0.0.1:{unused_tcp_port}/v1#m: no connection"
    assert str(caught.value).startswith(where)
    assert "Is the server running" in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"a":',
            EndpointConnectionError,
            "broke before the answer was complete",
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
            EndpointConnectionError,
            "broke before the answer was complete",
        ),
        (
            b'HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{"a":',
            MalformedResponseError,
            "5 bytes of application/json are not JSON",
        ),
        (b"", EndpointConnectionError, "broke before the answer was complete"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", MalformedResponseError, "cannot be read"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx",
            MalformedResponseError,
            "cannot be read",
        ),
    ],
)
async def test_what_breaks_on_the_wire(answer: bytes, kind: type[Exception], words: str) -> None:
    """A body cut short, a closed connection, another protocol: typed, and never half an answer."""
    async with raw_server(answer) as url:
        with pytest.raises(ProviderError, match=words) as caught:
            await Client(Endpoint(url, retry=ONCE)).post("/route", {}, dict)

    assert type(caught.value) is kind


async def test_a_slow_answer_is_a_timeout() -> None:
    """The timeout bounds the whole exchange, even if single bytes keep coming."""

    async def trickle(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    async with FakeEndpoint({"/route": trickle}) as server:
        with pytest.raises(EndpointTimeoutError, match=r"no complete answer within 0\.1 s"):
            await Client(Endpoint(server.url, timeout=0.1, retry=ONCE)).post("/route", {}, dict)


@pytest.mark.parametrize(
    ("body", "kind"),
    [("<html>Please log in</html>", "text/plain"), ("", "text/plain"), ("{'a': 1}", "text/plain")],
)
async def test_success_without_json_is_malformed(body: str, kind: str) -> None:
    """A login page with status 200 is no answer; the error tells its type and never quotes it."""
    async with FakeEndpoint() as server:
        server.script("/route", (200, body))
        with pytest.raises(MalformedResponseError) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert f"{len(body)} bytes of {kind}" in str(caught.value)
    assert not body or body not in str(caught.value)
