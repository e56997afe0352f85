"""Several servers of one model: an answer stays with one, until that one is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from rsd_graph import ConfigurationError, Endpoint, EndpointConnectionError
from rsd_graph.providers.http import replicas
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.level import Gate
from rsd_graph.providers.http.replicas import Replicas
from rsd_graph.providers.http.session import only_at, session
from tests.helpers.fake_endpoint import NO_WAIT, FakeEndpoint


@pytest.fixture
async def servers() -> AsyncIterator[list[FakeEndpoint]]:
    async with AsyncExitStack() as stack:
        fakes = [FakeEndpoint({"/route": {}}) for _ in range(3)]
        yield [await stack.enter_async_context(fake) for fake in fakes]


def together(servers: list[FakeEndpoint], **options: object) -> Client:
    """A client of all of them."""
    hosts = ",".join(server.url.removeprefix("http://") for server in servers)
    return Client(Endpoint(f"http://{hosts}/v1", retry=NO_WAIT, **options))  # type: ignore[arg-type]


async def ask(client: Client, name: str) -> None:
    with session(name):
        await client.post("/route", {}, dict)


async def test_every_request_of_an_answer_goes_to_one_server(servers: list[FakeEndpoint]) -> None:
    """And different answers to different servers; each names its answer to routers behind it."""
    client = together(servers)

    for number in range(30):
        for _ in range(3):
            await ask(client, f"{number}")

    seen = [[headers["x-session-id"] for _, headers, _ in one.requests] for one in servers]
    assert all(seen)
    assert sum(len(set(names)) for names in seen) == 30
    assert sum(map(len, seen)) == 90


async def test_a_server_of_several_engines_may_want_a_number(servers: list[FakeEndpoint]) -> None:
    """The same for all requests of an answer, below the count, and all of them are used."""
    wanted = "X-Session-ID,X-data-parallel-rank:3"
    client = Client(Endpoint(servers[0].url, session_header=wanted))

    for number in range(30):
        await ask(client, f"{number}")
        await ask(client, f"{number}")

    sent = [headers for _, headers, _ in servers[0].requests]
    ranks = [one["x-data-parallel-rank"] for one in sent]
    assert ranks[::2] == ranks[1::2]
    assert set(ranks) == {"0", "1", "2"}
    assert sent[0]["x-session-id"] == "rsd-0"


async def test_a_router_may_want_another_header(servers: list[FakeEndpoint]) -> None:
    """The names are a setting of the endpoint, and no answer means no header."""
    client = Client(Endpoint(servers[0].url, session_header="x-litellm-session-id,X-Mine"))

    await ask(client, "a")
    await client.post("/route", {}, dict)

    (_, first, _), (_, second, _) = servers[0].requests
    assert (first["x-litellm-session-id"], first["x-mine"]) == ("rsd-a", "rsd-a")
    assert "x-mine" not in second


async def test_requests_of_no_answer_are_spread(servers: list[FakeEndpoint]) -> None:
    """They go where least is asked."""
    client = together(servers)

    await asyncio.gather(*(client.post("/route", {}, dict) for _ in range(9)))

    assert [len(one.requests) for one in servers] == [3, 3, 3]


async def test_an_answer_starts_elsewhere_where_its_first_choice_is_busy() -> None:
    """No server is asked for more than a quarter above its share."""
    several = Replicas(Endpoint("http://a,b,c,d"))
    go = asyncio.Event()
    most: dict[str, int] = {}

    async def exchange(endpoint: Endpoint, _: Gate) -> None:
        most[endpoint.url] = most.get(endpoint.url, 0) + 1
        await go.wait()

    async def one(name: str) -> None:
        with session(name):
            await several.ask(exchange)

    tasks = [asyncio.create_task(one(f"{number}")) for number in range(80)]
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(*tasks)

    assert sum(most.values()) == 80
    assert max(most.values()) <= 26


async def test_a_server_that_is_gone_is_left_alone(servers: list[FakeEndpoint]) -> None:
    """Its answers go on with the next one, in the same request, and stay there."""
    client = together(servers)
    for number in range(9):
        await ask(client, f"{number}")
    gone = next(one for one in servers if one.requests)
    moved = [headers["x-session-id"].removeprefix("rsd-") for _, headers, _ in gone.requests]
    await gone.__aexit__()

    for name in moved * 2:
        await ask(client, name)

    others = [one for one in servers if one is not gone]
    seen = [[headers["x-session-id"] for _, headers, _ in one.requests] for one in others]
    assert all(sum(names.count(f"rsd-{name}") for names in seen) == 2 for name in moved)
    assert all(any(names.count(f"rsd-{name}") == 2 for names in seen) for name in moved)


async def test_a_server_that_came_back_is_tried_by_one_request(
    servers: list[FakeEndpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once its time is over it is asked again, and keeps its answers if it answers."""
    monkeypatch.setattr(replicas, "EJECTED_SECONDS", 0.0)
    broken = asyncio.Event()

    async def breaks_once(request: web.Request) -> web.StreamResponse:
        if not broken.is_set():
            broken.set()
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({})

    async with FakeEndpoint({"/route": breaks_once}) as flaky:
        client = together([flaky, servers[0]])
        for number in range(20):
            await ask(client, f"{number}")
            await ask(client, f"{number}")

    assert broken.is_set()
    assert len(flaky.requests) > 3
    assert len(flaky.requests) + len(servers[0].requests) == 41


async def test_when_all_are_gone_the_error_names_one() -> None:
    """As for a single server: typed, retryable, after all tries."""
    client = Client(Endpoint("http://127.0.0.1:9,127.0.0.1:10", retry=NO_WAIT))

    with pytest.raises(EndpointConnectionError) as caught:
        await ask(client, "a")

    assert caught.value.endpoint in ("http://127.0.0.1:9", "http://127.0.0.1:10")


async def test_one_replica_can_be_asked_by_itself(servers: list[FakeEndpoint]) -> None:
    """For comparing them."""
    client = together(servers)

    with only_at(client.endpoint.replicas[1].url):
        for _ in range(4):
            await client.post("/route", {}, dict)

    assert [len(one.requests) for one in servers] == [0, 4, 0]


def test_the_servers_of_an_endpoint() -> None:
    """One URL, several hosts; a key before them is the key of all, and shown nowhere."""
    endpoint = Endpoint("https://:hush@a:1,b:2,[::1]:3/x/v1", "m")

    assert str(endpoint) == "https://a:1,b:2,[::1]:3/x/v1#m"
    assert [str(one) for one in endpoint.replicas] == [
        "https://a:1/x/v1#m",
        "https://b:2/x/v1#m",
        "https://[::1]:3/x/v1#m",
    ]
    assert {one.api_key for one in endpoint.replicas} == {endpoint.api_key}


@pytest.mark.parametrize("url", ["http://a,a/v1", "http://a,/v1", "http://a:1,b:x", "http://,"])
def test_servers_that_cannot_be(url: str) -> None:
    """Doubled or empty ones are refused."""
    with pytest.raises(ConfigurationError):
        Endpoint(url)
