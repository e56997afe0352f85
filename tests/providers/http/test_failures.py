"""Every way an exchange can fail, in every body shape we know, is one typed error of ours."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import httpx2
import pytest

from rsd_graph import (
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    Endpoint,
    EndpointTimeoutError,
    MalformedResponseError,
    ModelNotFoundError,
    ProviderError,
    RateLimitError,
    RetryPolicy,
    ServerError,
    UnsupportedRouteError,
)
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.failures import exchange_error
from tests.helpers.fake_endpoint import FakeEndpoint

ONCE = RetryPolicy(attempts=1)
ENDPOINT = Endpoint("http://localhost:1/v1", "m", "target", timeout=7, retry=ONCE)

VLLM_404 = {
    "error": {
        "message": "The model `nope` does not exist. Valid aliases: tiny.",
        "type": "NotFoundError",
        "param": "model",
        "code": 404,
    }
}
LLAMACPP_OVERFLOW = {
    "error": {
        "code": 400,
        "message": "request (400 tokens) exceeds the available context size (256 tokens)",
        "type": "exceed_context_size_error",
        "n_prompt_tokens": 400,
        "n_ctx": 256,
    }
}
LLAMACPP_PYTHON_OVERFLOW = {
    "error": {"message": "too long", "type": "context_length_exceeded", "code": 400}
}
SGLANG_OVERFLOW = {
    "object": "error",
    "message": "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    "type": "BadRequestError",
    "param": None,
    "code": 400,
}
TGI_OVERFLOW = {
    "error": "Input validation error: `inputs` must have less than 4095 tokens. Given: 5000",
    "error_type": "validation",
}
TGI_TOTAL = {
    "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 1",
    "error_type": "validation",
}
TRANSFORMERS_422 = {"detail": "Unexpected fields in the request: {'include_stop_str_in_output'}"}
FASTAPI_422 = {"detail": [{"loc": ["body", "n"], "msg": "field required", "type": "missing"}]}
LOADING = {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}
NOT_IMPLEMENTED = {
    "error": {
        "message": "The model does not support Classification API",
        "type": "NotImplementedError",
    }
}
NGINX = "<html>\n<head><title>502 Bad Gateway</title></head><body><h1>502</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, {"error": {"message": "n must be 1", "code": 400}}, BadRequestError, "n must be 1"),
        (400, LLAMACPP_OVERFLOW, ContextOverflowError, "exceeds the available context size"),
        (400, LLAMACPP_PYTHON_OVERFLOW, ContextOverflowError, "too long"),
        (400, SGLANG_OVERFLOW, ContextOverflowError, "longer than the model's context"),
        (400, "Failed to parse the request body as JSON", BadRequestError, "Failed to parse"),
        (400, "", BadRequestError, "no explanation"),
        (401, {"error": "Unauthorized"}, AuthenticationError, "Unauthorized"),
        (401, "", AuthenticationError, "no explanation"),
        (403, {"error": {"message": "no", "code": 403}}, AuthenticationError, "no"),
        (404, VLLM_404, ModelNotFoundError, "The model `nope` does not exist"),
        (404, {"detail": "Not Found"}, ModelNotFoundError, "Not Found"),
        (405, {"detail": "Method Not Allowed"}, ModelNotFoundError, "Method Not Allowed"),
        (408, "", EndpointTimeoutError, "no explanation"),
        (413, "length limit exceeded", BadRequestError, "length limit exceeded"),
        (415, "Expected request with `Content-Type`", BadRequestError, "Content-Type"),
        (422, TGI_OVERFLOW, ContextOverflowError, "must have less than 4095 tokens"),
        (422, TGI_TOTAL, ContextOverflowError, "must be <= 4096"),
        (422, "Failed to deserialize: stop", BadRequestError, "Failed to deserialize"),
        (422, TRANSFORMERS_422, BadRequestError, "Unexpected fields"),
        (422, FASTAPI_422, BadRequestError, "field required"),
        (424, {"error": "CANCELLED", "error_type": "generation"}, ServerError, "CANCELLED"),
        (429, {"error": "Model is overloaded", "error_type": "o"}, RateLimitError, "overloaded"),
        (500, {"error": {"message": "EngineCore died", "code": 500}}, ServerError, "EngineCore"),
        (500, {"error": "incomplete", "error_type": "generation"}, ServerError, "incomplete"),
        (501, NOT_IMPLEMENTED, UnsupportedRouteError, "Classification API"),
        (502, NGINX, ServerError, "502 Bad Gateway"),
        (503, LOADING, ServerError, "Loading model"),
        (503, {"error": {"message": "queue", "type": "Service Unavailable"}}, ServerError, "queue"),
        (504, "", ServerError, "no explanation"),
    ],
)
async def test_status_and_body(status: int, body: Any, kind: type[Exception], words: str) -> None:
    """Gotcha 40: the type follows the status, the words come from wherever the server put them."""
    async with FakeEndpoint() as server:
        server.script("/route", (status, body))
        with pytest.raises(ProviderError) as caught:
            await Client(Endpoint(server.url, role="target", retry=ONCE)).post("/route", {}, dict)

    assert type(caught.value) is kind
    assert caught.value.status == status
    assert caught.value.role == "target"
    assert caught.value.endpoint == server.url
    assert words in str(caught.value)
    assert "<html>" not in str(caught.value)


def client_errors() -> Iterator[type[Exception]]:
    """Every exception class of the HTTP client and of the transport below it."""
    found: list[type[Exception]] = [httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError]
    for kind in found:
        found += [sub for sub in kind.__subclasses__() if sub not in found]
    yield from found


@pytest.mark.parametrize("kind", list(client_errors()), ids=lambda kind: kind.__name__)
def test_no_error_of_the_client_gets_through(kind: type[Exception]) -> None:
    """Whatever the HTTP client raises, now or in a later release, arrives as an error of ours."""
    bare = {"__init__": lambda self: None, "__str__": lambda self: "said something"}
    error: Exception = type(kind.__name__, (kind,), bare)()

    ours = exchange_error(error, ENDPOINT)

    assert isinstance(ours, ProviderError)
    assert ours.role == "target"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_named_not_followed(status: int) -> None:
    """A redirected POST may become a GET and carry the key elsewhere: the caller decides."""
    async with FakeEndpoint({"/elsewhere": {"never": "asked"}}) as server:
        server.script("/route", (status, "", {"Location": "https://other.example/v2?token=abc"}))
        to = r"redirects to https://other.example/v2\."
        with pytest.raises(BadRequestError, match=to) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert "abc" not in str(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        *[("3", 3.0), ("0", 0.0), ("-5", 0.0), ("soon", None), ("", None)],
        *[("inf", None), ("nan", None), ("1e999", None), ("9" * 15, 1e15 - 1), ("9" * 5000, None)],
        ("Fri, 01 Jan 10000000000000000000 00:00:00 GMT", None),
        ("Fri, 99 Foo 0000 99:99:99 +9999999999999", None),
    ],
)
async def test_retry_after_in_seconds(header: str, seconds: float | None) -> None:
    """The server's wish is on the error; what cannot be read is no wish."""
    async with FakeEndpoint() as server:
        server.script("/route", (429, {"error": "later"}, {"Retry-After": header}))
        with pytest.raises(RateLimitError) as caught:
            await Client(Endpoint(server.url, retry=ONCE)).post("/route", {}, dict)

    assert caught.value.retry_after == seconds


async def test_retry_after_as_a_date() -> None:
    """The header's other form, an HTTP date, becomes seconds from now."""
    date = email.utils.formatdate(time.time() + 1000, usegmt=True)
    async with FakeEndpoint() as server:
        server.script("/route", (503, {"error": "later"}, {"Retry-After": date}))
        with pytest.raises(ServerError) as caught:
            await Client(Endpoint(server.url, retry=ONCE)).post("/route", {}, dict)

    assert caught.value.retry_after == pytest.approx(1000, abs=30)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/v2?key=abc", "redirects to /v2."),
        ("http://[::1", "redirects to http://[::1."),
        ("http://user:pass@host:99999999/x", "redirects to http://host:99999999/x."),
        ("\\\\:bad: url", "bad: url."),
        ("", "redirects to ."),
    ],
)
async def test_a_redirect_that_nobody_can_read_is_told_all_the_same(
    location: str, shown: str
) -> None:
    """What it says is only shown, never taken apart; credentials in it are left out."""
    async with FakeEndpoint() as server:
        server.script("/route", *[(307, "", {"Location": location})] * 2)
        with pytest.raises((BadRequestError, MalformedResponseError)) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert len(server.requests) == 1
    assert "pass" not in str(caught.value)
    assert isinstance(caught.value, MalformedResponseError) or shown in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html><style>p > a {color: red}</style><script>x()</script>Bad gateway", "Bad gateway."),
        ("<style" * 10_000, "no explanation."),
        ("<style>a" * 10_000, "no explanation."),
        ("<" * 60_000, "<<<"),
        ("\x1b]0;title\x07\x1b[31mred\x1b[0m", "]0;title [31mred [0m."),
        ("line\r\nline\u202e\u2028end\x00", "line line end ."),
        (b"caf\xe9 \xff", "caf\ufffd \ufffd."),
        (json.dumps({"error": {"message": "first", "input": "x" * 10**6}}), "first."),
        (json.dumps({"detail": [{"msg": "one"}] * 10_000}), "one; one"),
        ("[" * 100_000, "[[["),
        ('{"error":' * 100_000, '{"error":'),
        ('"\\ud800"', "ud800"),
        ("null", "no explanation."),
    ],
)
async def test_a_refusal_is_read_in_one_pass_and_shown_as_plain_text(
    body: str | bytes, words: str
) -> None:
    """However long, deep or cut off it is, and whatever it would do to a terminal."""
    async with FakeEndpoint() as server:
        sent = body.encode() if isinstance(body, str) else body
        server.script("/route", (400, sent, {"Content-Type": "text/html; charset=hex"}))
        with pytest.raises(BadRequestError) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert words in caught.value.message
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


async def test_a_long_message_is_clipped() -> None:
    """Some servers send the whole prompt back in their error: it does not land in ours."""
    async with FakeEndpoint() as server:
        server.script("/route", (422, {"detail": "x" * 10_000}))
        with pytest.raises(BadRequestError) as caught:
            await Client(server.endpoint).post("/route", {}, dict)

    assert len(str(caught.value)) < 500
