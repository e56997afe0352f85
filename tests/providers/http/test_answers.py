"""The line between bytes and data: what is let through, and what is malformed."""

from __future__ import annotations

import gzip
import json
import math
import tracemalloc
import zlib
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from rsd_graph import Endpoint, InputError, MalformedResponseError, RetryPolicy
from rsd_graph.providers.http import client as client_module
from rsd_graph.providers.http.answers import (
    Count,
    ListOf,
    LogProbabilities,
    LogProbability,
    Shape,
    decoded,
    encoded,
    reading,
)
from rsd_graph.providers.http.client import Client
from tests.helpers.fake_endpoint import FakeEndpoint

ENDPOINT = Endpoint("http://host:1/v1", "m", "prm")


class Answer(Shape):
    tokens: Count = 0
    logprob: LogProbability = 0.0
    text: str = ""
    said: bool = False
    reason: Literal["stop", "length"] = "stop"
    rows: ListOf[ListOf[float]] = Field(default_factory=list)
    tops: LogProbabilities = Field(default_factory=dict)


def read(body: str | bytes) -> Answer:
    return decoded(body.encode() if isinstance(body, str) else body, Answer, ENDPOINT)


def test_what_is_right_is_read_and_the_rest_passed_over() -> None:
    """Whole numbers are floats too; unknown fields are the server's business."""
    answer = read('{"tokens": 3, "logprob": -1, "text": "é", "rows": [[1]], "new": [{}]}')

    assert (answer.tokens, answer.logprob, answer.text, answer.rows) == (3, -1.0, "é", [[1.0]])


@pytest.mark.parametrize(
    "field",
    [
        *('"tokens": true', '"tokens": "3"', '"tokens": 3.0', '"tokens": -1', '"tokens": null'),
        *('"tokens": Infinity', '"tokens": 1e999', '"tokens": NaN', f'"tokens": {10**30}'),
        *('"logprob": 1000', '"logprob": null', '"logprob": "-1"', '"logprob": NaN'),
        *('"logprob": -Infinity', '"logprob": true', '"logprob": -1e200'),
        *('"text": 1', '"text": null', '"text": ["a"]'),
        *('"said": 1', '"said": "true"', '"reason": "end"', '"reason": null'),
        *('"rows": [["0.9"]]', '"rows": [[true]]', '"rows": [[null]]', '"rows": "AAAA"'),
        *('"tops": {"a": 1000}', '"tops": {"a": null}', '"tops": []'),
    ],
)
def test_what_only_looks_right_is_malformed(field: str) -> None:
    """No text, no truth and no fraction is a count; no number is infinite."""
    name = field.split('"')[1]

    with pytest.raises(MalformedResponseError, match=f"cannot be used: {name}") as caught:
        read(f"{{{field}}}")

    assert caught.value.role == "prm"
    assert caught.value.endpoint == "http://host:1/v1#m"


@pytest.mark.parametrize(
    "body",
    [
        *("", "null", "[]", "3", '"text"', "{", '{"text": "a', "<html>", "{'tokens': 1}", "{}{}"),
        *("[" * 100_000, '{"rows": ' + "[" * 100_000, '{"new": ' + "[" * 100_000 + "]" * 100_000),
        *(r'{"text": "\ud800"}', r'{"new": "\udc00x"}', r'{"\ud800\ud800": 1}'),
        *(b"\xff\xfe{}", b'{"text": "\xff"}', b'{"text": "\xed\xa0\x80"}', b"\x00"),
    ],
)
def test_what_is_no_json_or_none_of_this_shape_is_malformed(body: str | bytes) -> None:
    """Deep nesting is no crash; bytes that are no UTF-8 and half characters are no text."""
    with pytest.raises(MalformedResponseError, match="cannot be used"):
        read(body)


def test_a_word_that_is_none_of_those_there_are_is_named() -> None:
    """Of other mistakes only the place is told: what stands there may be an answer, or a key."""
    with pytest.raises(MalformedResponseError, match="reason 'content_filter'"):
        read('{"reason": "content_filter"}')
    with pytest.raises(
        MalformedResponseError, match=r"text: Input should be a valid string\."
    ) as e:
        read('{"text": ["confidential"]}')
    assert "confidential" not in str(e.value)


@pytest.mark.parametrize(
    "body",
    [
        {"rows": [""] * 1000},
        {"rows": [[True] * 1000]},
        {"tops": dict.fromkeys(map(str, range(10_001)), "")},
    ],
)
def test_a_thousand_mistakes_are_one(body: dict[str, Any]) -> None:
    """pydantic keeps a message for each mistake it finds: a body of them would fill the memory."""
    with pytest.raises(ValidationError) as caught:
        Answer.model_validate_json(json.dumps(body))

    assert caught.value.error_count() == 1


def test_a_header_is_checked_as_an_answer_is() -> None:
    """A number in text."""
    number = Annotated[Count, Field(gt=0)]

    assert decoded(b"12", number, ENDPOINT) == 12
    for header in ("", "-1", "0", "nan", "1_000", "\uff11\uff12", "0x10", "1 2"):
        with pytest.raises(MalformedResponseError):
            decoded(header.encode(), number, ENDPOINT)


def test_nothing_but_our_errors_leaves_the_code_that_reads() -> None:
    """Whatever it trips over; an error of ours passes as it is."""
    with pytest.raises(MalformedResponseError, match="KeyError 'x'"), reading(ENDPOINT):
        {}["x"]
    with pytest.raises(MalformedResponseError, match="OverflowError"), reading(ENDPOINT):
        math.exp(1000)
    with pytest.raises(InputError), reading(ENDPOINT):
        raise InputError("ours")


@pytest.mark.parametrize(
    "value",
    ["\ud800", {"a": ["x\udfff"]}, math.nan, math.inf, object(), {"key": {1, 2}}],
)
async def test_what_cannot_be_written_as_json_is_an_input_error(value: Any) -> None:
    """Half a character in a question, or what is no data in options: refused before it is sent."""
    async with FakeEndpoint({"/route": {}}) as server:
        with pytest.raises(InputError, match="cannot be written as JSON"):
            await Client(server.endpoint).post("/route", {"prompt": value}, dict)

    assert server.requests == []


def test_a_request_is_written_as_utf_8() -> None:
    """Characters as they are, without spaces between."""
    assert encoded({"a": ["é", 1.5, None]}, ENDPOINT) == '{"a":["é",1.5,null]}'.encode()


async def test_a_body_is_read_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that is longer is refused, and the rest is not waited for."""
    monkeypatch.setattr(client_module, "MOST_BYTES", 1000)
    async with FakeEndpoint() as server:
        server.script("/route", (200, json.dumps(["x" * 900])), (200, json.dumps(["x" * 1000])))
        client = Client(server.endpoint)
        assert await client.post("/route", {}, list) == ["x" * 900]
        with pytest.raises(MalformedResponseError, match="longer than 1000 bytes"):
            await client.post("/route", {}, list)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_bomb_is_defused(status: int) -> None:
    """700 MB of zeros in 700 kB of gzip: unpacked up to the limit, and no further."""
    bomb = gzip.compress(bytes(7 * 10**8), compresslevel=1)[: 2**21]
    gzipped = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    async with FakeEndpoint() as server:
        server.script("/route", (status, bomb, gzipped))
        tracemalloc.start()
        with pytest.raises(Exception, match=r"longer than|HTTP 500"):
            await Client(Endpoint(server.url, retry=RetryPolicy(attempts=1))).post(
                "/route", {}, dict
            )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert most < 3 * client_module.MOST_BYTES


@pytest.mark.parametrize("encoding", ["gzip, gzip", "br", "zstd", "gzip, identity"])
async def test_an_encoding_nobody_asked_for_is_malformed(encoding: str) -> None:
    """Packed twice, a piece of a kilobyte is a gigabyte."""
    packed = gzip.compress(gzip.compress(b"{}"))
    async with FakeEndpoint() as server:
        server.script("/route", (200, packed, {"Content-Encoding": encoding}))
        with pytest.raises(MalformedResponseError, match="content encoding"):
            await Client(server.endpoint).post("/route", {}, dict)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_a_packed_answer_is_unpacked(encoding: str) -> None:
    """What was asked for."""
    packed = (gzip if encoding == "gzip" else zlib).compress(b'{"a": 1}')
    async with FakeEndpoint() as server:
        server.script("/route", (200, packed, {"Content-Encoding": encoding}))
        assert await Client(server.endpoint).post("/route", {}, dict) == {"a": 1}
