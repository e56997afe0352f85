"""An endpoint's address, and its key that nothing shows."""

from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import pytest
from pydantic import SecretStr

from rsd_graph import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    Endpoint,
    RetryPolicy,
    ServerError,
)
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.prm import RECOMPUTE, PoolingPRM, TokenProbabilityPRM
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from tests.helpers.fake_endpoint import NO_WAIT, FakeEndpoint

KEY = "sk-very-secret"


async def test_the_key_is_sent_as_a_bearer_token() -> None:
    """The key reaches the server, and only there; without one, a harmless word is sent."""
    async with FakeEndpoint({"/route": {}}) as server:
        await Client(Endpoint(server.url, api_key=SecretStr(KEY))).post("/route", {}, dict)
        await Client(Endpoint(server.url)).post("/route", {}, dict)

    sent = [headers["Authorization"] for _, headers, _ in server.requests]
    assert sent == [f"Bearer {KEY}", "Bearer EMPTY"]


@pytest.mark.parametrize(
    "url",
    [f"http://:{KEY}@host:1/v1", f"http://user:{KEY}@host:1/v1", f"http://{KEY}@host:1/v1"],
)
def test_a_key_in_the_url_is_moved_out_of_sight(url: str) -> None:
    """Credentials of the URL become the api_key; nothing shows them."""
    endpoint = Endpoint(url, "m")

    assert endpoint.api_key is not None
    assert endpoint.api_key.get_secret_value() == KEY
    assert str(endpoint) == "http://host:1/v1#m"
    assert KEY not in repr(endpoint)


def test_a_key_with_special_characters_is_decoded() -> None:
    """What URLs must escape arrives as it was meant."""
    endpoint = Endpoint("http://:a%2Fb%40c@host/v1")

    assert endpoint.api_key is not None
    assert endpoint.api_key.get_secret_value() == "a/b@c"


@pytest.mark.parametrize("url", [f"ftp://user:{KEY}@host", f"host?key={KEY}", f"http://{KEY}@:x/"])
def test_a_bad_url_does_not_tell_its_key(url: str) -> None:
    """What is refused is shown without what may be secret in it."""
    with pytest.raises(ConfigurationError) as caught:
        Endpoint(url)

    assert KEY not in str(caught.value)


@pytest.mark.parametrize("status", [401, 400, 500])
async def test_no_error_tells_the_key(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """A server that quotes the key back puts it into no message, note, traceback or log."""
    caplog.set_level(logging.DEBUG)
    quoting = {"error": {"message": f"Incorrect API key provided: {KEY}"}}
    async with FakeEndpoint() as server:
        server.script("/route", *[(status, quoting)] * 3)
        endpoint = Endpoint(server.url, api_key=SecretStr(KEY), retry=NO_WAIT)
        with pytest.raises((AuthenticationError, BadRequestError, ServerError)) as caught:
            await Client(endpoint).post("/route", {}, dict)

    shown = "".join(traceback.format_exception(caught.value))
    assert "Incorrect API key provided: …" in shown
    assert KEY not in shown + repr(caught.value) + str(vars(caught.value)) + caplog.text


def test_nothing_that_holds_an_endpoint_shows_its_key() -> None:
    """Endpoints, clients, models and PRMs can be printed and logged."""
    endpoint = Endpoint("http://host:1/v1", "m", api_key=SecretStr(KEY))
    wire = LlamaCppWire(endpoint)
    things = [
        endpoint,
        endpoint.in_role("draft"),
        copy.copy(endpoint),
        HostedModel(wire),
        TokenProbabilityPRM(wire, RECOMPUTE),
        PoolingPRM(endpoint),
    ]

    assert KEY not in "".join(f"{thing!r}{thing}" for thing in things)


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://host", "http://", "http://host:port/v1", "http://[::1/v1"],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    """A URL that cannot be an endpoint is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="http://host:port/v1"):
        Endpoint(url)


@pytest.mark.parametrize("settings", [{"timeout": 0}, {"timeout": -1}, {"max_concurrency": 0}])
def test_settings_that_cannot_work_are_refused(settings: dict[str, Any]) -> None:
    """No time, or no request in flight, would hang for ever."""
    with pytest.raises(ConfigurationError, match="max_concurrency >= 1"):
        Endpoint("http://host", **settings)


@pytest.mark.parametrize("url", ["http://host:8000", "http://host:8000/", "http://host:8000/v1/"])
def test_with_or_without_v1_the_root_is_the_same(url: str) -> None:
    """Both ways servers write their address lead to the same routes."""
    assert Endpoint(url).root == "http://host:8000"


def test_endpoints_are_values() -> None:
    """Equal addresses are equal, and travel between processes."""
    endpoint = Endpoint("http://host/v1", "m", "prm", retry=RetryPolicy(attempts=2))

    assert pickle.loads(pickle.dumps(endpoint)) == endpoint
