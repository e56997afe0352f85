"""One endpoint's HTTP: retries, limits, cancellation and event loops."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from rsd_graph import Endpoint, ProviderError, RateLimitError, ServerError
from rsd_graph.providers.http.client import Client
from rsd_graph.runtime.sync import run_sync
from tests.helpers.fake_endpoint import NO_WAIT, FakeEndpoint


async def test_a_retryable_failure_is_tried_again() -> None:
    """B27: two 503s and then an answer are one answer; the caller never sees the failures."""
    async with FakeEndpoint() as server:
        server.script("/route", (503, {"error": "busy"}), (503, "busy"), (200, {"ok": True}))
        answer = await Client(server.endpoint).post("/route", {}, dict)

    assert answer == {"ok": True}
    assert len(server.requests) == 3


async def test_the_last_error_tells_how_often_it_was_tried() -> None:
    """Gotcha 41: one retry layer, so three attempts are three requests; a note tells of them."""
    async with FakeEndpoint() as server:
        server.script("/route", (500, "down"), (429, "busy"), *[(500, "down")] * 3)
        with pytest.raises(ServerError) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert len(server.requests) == 3
    (note,) = caught.value.__notes__
    assert note.startswith("after 3 attempts in ")
    assert note.endswith("s: ServerError, waited 0.0 s; RateLimitError, waited 0.0 s; ServerError")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 501])
async def test_a_permanent_failure_is_not_tried_again(status: int) -> None:
    """What cannot get better is raised at once, without a note."""
    async with FakeEndpoint() as server:
        server.script("/route", (status, {"error": "no"}), (200, {}))
        with pytest.raises(ProviderError) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert len(server.requests) == 1
    assert not hasattr(caught.value, "__notes__")


async def test_a_long_wait_asked_for_ends_the_retries() -> None:
    """A Retry-After beyond max_wait is the caller's to honour: the error carries it."""
    async with FakeEndpoint() as server:
        server.script("/route", (429, {"error": "later"}, {"Retry-After": "3600"}), (200, {}))
        with pytest.raises(RateLimitError) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert caught.value.retry_after == 3600
    assert len(server.requests) == 1


async def test_retries_are_logged_without_any_text_of_the_request() -> None:
    """One warning per scheduled retry: who and why, never a prompt or a key."""
    async with FakeEndpoint() as server:
        server.script("/route", (503, {"error": "busy"}), (200, {}))
        with capture_logs() as logs:
            await Client(server.endpoint.in_role("draft")).post("/route", {"prompt": "hush"}, dict)

    assert logs == [
        {
            "event": "rsd.retry_scheduled",
            "log_level": "warning",
            "role": "draft",
            "endpoint": server.url,
            "attempt": 1,
            "wait": 0,
            "error": "ServerError",
        }
    ]


async def test_a_retry_is_told_to_hosts_that_never_set_up_logging(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Python shows them the text of a warning and nothing else: the facts are in it."""
    async with FakeEndpoint() as server:
        server.script("/route", (503, {"error": "busy"}), (200, {}))
        await Client(server.endpoint.in_role("draft")).post("/route", {"prompt": "hush"}, dict)

    facts = f"role=draft endpoint={server.url} attempt=1 wait=0 error=ServerError"
    assert caplog.messages == [f"rsd.retry_scheduled {facts}"]


async def test_the_trusted_certificates_are_loaded_once() -> None:
    """They take longer than all the rest of a client."""
    async with FakeEndpoint({"/route": {}}) as server:
        clients = [Client(server.endpoint), Client(server.endpoint)]
        contexts = set()
        for client in clients:
            await client.get("/route", dict)
            http = client._by_loop[asyncio.get_running_loop()].http
            contexts.add(http._transport.ssl_context)  # type: ignore[attr-defined]

    assert len(contexts) == 1


async def test_cancelling_a_call_closes_its_request() -> None:
    """A cancelled call hangs up, so that the server stops generating for nobody."""
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def generate(request: web.Request) -> web.StreamResponse:
        arrived.set()
        try:
            await asyncio.Event().wait()
        finally:
            gone.set()
        raise AssertionError("unreachable")

    async with FakeEndpoint({"/route": generate}) as server:
        call = asyncio.create_task(Client(server.endpoint).post("/route", {}, dict))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_cancelled_call_is_not_retried() -> None:
    """Cancellation passes through the retry layer, and frees the turn it held."""
    arrived = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async with FakeEndpoint({"/never": never, "/route": {"ok": True}}) as server:
        client = Client(Endpoint(server.url, max_concurrency=1, retry=NO_WAIT))
        call = asyncio.create_task(client.post("/never", {}, dict))
        await arrived.wait()
        call.cancel()
        await asyncio.wait([call])
        answer = await client.post("/route", {}, dict)

    assert answer == {"ok": True}
    assert [path for path, _, _ in server.requests] == ["/never", "/route"]


async def test_no_more_requests_than_allowed_are_in_flight() -> None:
    """B27: with max_concurrency=3, 20 calls are served three at a time, and all are served."""
    inside = most = 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.001)
        inside -= 1
        return web.json_response({"ok": True})

    async with FakeEndpoint({"/route": count}) as server:
        client = Client(Endpoint(server.url, max_concurrency=3))
        answers = await asyncio.gather(*(client.post("/route", {}, dict) for _ in range(20)))

    assert len(answers) == 20
    assert most == 3


def test_one_client_serves_loop_after_loop(llamacpp_server: Endpoint) -> None:
    """A client outlives its event loop: two asyncio.run in a row, then sync code, no leak."""
    client = Client(llamacpp_server)

    async def health() -> Any:
        return await client.get("/health", dict)

    assert asyncio.run(health()) == {"status": "ok"}
    assert asyncio.run(health()) == {"status": "ok"}
    assert run_sync(health()) == {"status": "ok"}


async def test_sync_code_inside_a_running_loop_is_served(llamacpp_server: Endpoint) -> None:
    """A sync call from within a coroutine neither deadlocks nor needs a loop of its own."""
    client = Client(llamacpp_server)

    assert run_sync(client.get("/health", dict)) == {"status": "ok"}
    assert await client.get("/health", dict) == {"status": "ok"}


async def test_a_closed_client_opens_again(llamacpp_server: Endpoint) -> None:
    """Closing ends this loop's connections, not the client."""
    client = Client(llamacpp_server)
    await client.get("/health", dict)
    await client.aclose()

    assert await client.get("/health", dict) == {"status": "ok"}


async def test_a_dropped_client_closes_its_connections(
    llamacpp_server: Endpoint, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that nobody holds any more, even in a cycle of references, leaves nothing open."""
    client: Any = Client(llamacpp_server)
    await client.get("/health", dict)
    pool = weakref.ref(client._by_loop[asyncio.get_running_loop()].http)
    client.itself = client

    del client
    gc.collect()
    for _ in range(1000):
        await asyncio.sleep(0)

    assert pool() is None
    assert caplog.messages == []


def test_a_process_ends_without_a_warning(llamacpp_server: Endpoint) -> None:
    """Nothing is left open: async, sync, closed or not. (Not in asyncio's debug mode, which
    also reports whatever a busy machine makes slow.)
    """
    script = f"""
import asyncio
from rsd_graph import Endpoint
from rsd_graph.runtime.sync import run_sync
from rsd_graph.providers.http.client import Client
client = Client(Endpoint("{llamacpp_server.url}"))
async def health():
    return await client.get("/health", dict)
print(asyncio.run(health()), asyncio.run(health()), run_sync(health()))
"""
    run = subprocess.run(
        [sys.executable, "-X", "tracemalloc", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert run.stdout.strip() == "{'status': 'ok'} {'status': 'ok'} {'status': 'ok'}"
    assert run.stderr == ""
