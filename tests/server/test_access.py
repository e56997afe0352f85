"""Who gets in: keys, hosts, origins, and ports that stay shut."""

from __future__ import annotations

import httpx
import openai
import pytest

from rsd_graph import ConfigurationError
from rsd_graph.server import Access
from rsd_graph.server.guard import check_binding, hosts_for
from tests.server.conftest import Serve

KEYS = Access(keys=("first key", "zweiter Schlüssel"))


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/metrics", "/ready", "/x"])
def test_every_path_but_health_needs_a_key(serve: Serve, path: str) -> None:
    """401 with the header that OpenAI's clients expect, whether the path exists or not."""
    url = serve(access=KEYS).url

    response = httpx.get(url + path)

    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")
    assert httpx.get(f"{url}/health").status_code == 200


@pytest.mark.parametrize("key", ["first key", "zweiter Schlüssel"])
def test_any_of_several_keys_opens(serve: Serve, key: str) -> None:
    """Keys can be rotated; those that are not ASCII work as UTF-8."""
    headers = {"Authorization": f"Bearer {key}".encode()}

    assert httpx.get(f"{serve(access=KEYS).url}/v1/models", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "header", ["Bearer wrong", "Basic first key", "first key", "Bearer \xff", ""]
)
def test_anything_else_stays_out(serve: Serve, header: str) -> None:
    """A wrong key, another scheme, bytes that are no text: 401, never 500."""
    headers = {"Authorization": header.encode("latin-1")}

    assert httpx.get(f"{serve(access=KEYS).url}/v1/models", headers=headers).status_code == 401


def test_the_sdk_raises_its_own_exception(serve: Serve) -> None:
    """`openai.AuthenticationError` with `invalid_api_key`."""
    with pytest.raises(openai.AuthenticationError) as caught:
        serve(access=KEYS).client(api_key="wrong").models.list()

    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "https://ours.example"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost:1234"}, 200),
    ],
    ids=str,
)
def test_foreign_pages_and_names_stay_out(
    serve: Serve, headers: dict[str, str], status: int
) -> None:
    """A web page cannot use a loopback server, by its origin or by rebinding a name to it."""
    access = Access(hosts=hosts_for("127.0.0.1"), origins=("https://ours.example",))

    assert httpx.get(f"{serve(access=access).url}/health", headers=headers).status_code == status


def test_no_cors_unless_it_was_asked_for(serve: Serve) -> None:
    """Browsers may read answers only from pages that were named."""
    ask = {"Origin": "https://ours.example", "Access-Control-Request-Method": "POST"}
    named = serve(access=Access(origins=("https://ours.example",))).url

    allowed = httpx.options(f"{named}/v1/models", headers=ask)
    refused = httpx.options(f"{serve().url}/v1/models", headers=ask)

    assert allowed.headers["access-control-allow-origin"] == "https://ours.example"
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])
def test_an_open_port_needs_a_key(host: str) -> None:
    """Other machines are served only with a key, or if somebody says that no key is meant."""
    with pytest.raises(ConfigurationError, match="without a key"):
        check_binding(host, [], insecure=False)

    check_binding(host, ["key"], insecure=False)
    check_binding(host, [], insecure=True)
    check_binding("127.0.0.1", [], insecure=False)
