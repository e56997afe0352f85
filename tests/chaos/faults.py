"""Everything that can happen to an answer between a server and us."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.chaos.world import KEY

Headers = dict[str, str]


class Wire(NamedTuple):
    """One connection, and the right answer that was about to go over it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    body: bytes
    headers: Headers
    dice: random.Random

    def send(self, body: bytes, status: str = "200 OK", **headers: str) -> None:
        """A whole response; underscores in names of headers are hyphens."""
        self.writer.write(response(body, status, self.headers | _named(headers)))

    async def until_hung_up(self) -> None:
        """Wait for the other side to close."""
        while await self.reader.read(1024):
            pass


Fault = Callable[[Wire], Awaitable[bool]]
"""Does it; whether the connection can be used again."""


def response(body: bytes, status: str, headers: Headers) -> bytes:
    """HTTP."""
    lines = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


def _named(headers: dict[str, str]) -> Headers:
    return {name.replace("_", "-"): value for name, value in headers.items()}


async def hang(wire: Wire) -> bool:
    await wire.until_hung_up()
    return False


async def hang_in_the_body(wire: Wire) -> bool:
    whole = response(wire.body, "200 OK", wire.headers)
    wire.writer.write(whole[: -wire.dice.randint(1, len(wire.body))])
    await wire.until_hung_up()
    return False


async def reset(wire: Wire) -> bool:
    wire.writer.transport.abort()
    return False


async def close_unanswered(wire: Wire) -> bool:
    return False


async def cut(wire: Wire) -> bool:
    whole = response(wire.body, "200 OK", wire.headers)
    wire.writer.write(whole[: wire.dice.randrange(1, len(whole))])
    await wire.writer.drain()
    if wire.dice.random() < 0.5:
        wire.writer.transport.abort()
    return False


async def drip(wire: Wire) -> bool:
    whole = response(wire.body, "200 OK", wire.headers)
    size = max(1, len(whole) // 8)
    for start in range(0, len(whole), size):
        wire.writer.write(whole[start : start + size])
        await asyncio.sleep(0.001)
    return True


async def late(wire: Wire) -> bool:
    await asyncio.sleep(0.01)
    wire.send(wire.body)
    return True


REFUSALS = (300, 301, 302, 307, 400, 401, 403, 404, 405, 408, 409, 413, 415, 418, 422, 424, 429)
FAILURES = (429, 500, 501, 502, 503, 504, 508, 529, 599)
WORDS: tuple[Any, ...] = (
    b"",
    b"<html><style>p{}</style><h1>502 Bad Gateway</h1>",
    {"error": "down"},
    {"detail": [{"msg": "bad"}]},
    {"error": None},
    [[[]]],
    {"message": "\x1b[2J" + "x" * 5000},
    b"\xff\xfe\x00",
    {"error": {"message": f"{KEY} is no key; {KEY[:-1]}\\u0062 neither"}},
    f"<h1>Bearer {KEY}</h1>".encode(),
    b'{"error": {"mess',
)
WAITS = ("0", "0.001", "-1", "1e400", "nan", "x", "9" * 400, "Wed, 21 Oct 99999999999999999999")
PLACES = (
    f"http://{KEY}@h/?key={KEY}",
    f"/{KEY}",
    "",
    "/",
    "http://[::1",
    "//@:0",
    "http://u:p@h/",
    "\u00e9",
    "x" * 9000,
)


async def refuse(wire: Wire) -> bool:
    status = wire.dice.choice(REFUSALS + FAILURES)
    said = wire.dice.choice(WORDS)
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    extra = {}
    if wire.dice.random() < 0.3:
        extra["retry_after"] = wire.dice.choice(WAITS)
    if status < 400 or wire.dice.random() < 0.1:
        extra["location"] = wire.dice.choice(PLACES)
    wire.send(body, f"{status} No", **extra)
    return True


async def full_context(wire: Wire) -> bool:
    """A claim that nobody can check: for a draft a reason to ask the target, else to end."""
    said = json.dumps({"error": {"message": "maximum context length is 9"}})
    wire.send(said.encode(), wire.dice.choice(("400 No", "413 No", "422 No")))
    return True


GARBAGE: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b"NaN",
    b'"text"',
    b"1e999",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"<html>all is well</html>",
    b"\xff\xfe" * 50,
    b"data: {}\n\ndata: [DONE]\n\n",
    b'{"choices": [], "data": [], "usage": {}}',
)


async def garbage(wire: Wire) -> bool:
    wire.send(wire.dice.choice(GARBAGE))
    return True


async def half_a_document(wire: Wire) -> bool:
    wire.send(wire.body[: wire.dice.randrange(len(wire.body))])
    return True


async def two_documents(wire: Wire) -> bool:
    wire.send(wire.body + wire.body)
    return True


async def two_responses(wire: Wire) -> bool:
    wire.send(wire.body)
    wire.send(b'{"stale": true}')
    return True


async def other_content_type(wire: Wire) -> bool:
    kinds = (
        f"text/{KEY}",
        "text/html",
        "image/png",
        "",
        "application/json; charset=utf-16",
        "x" * 3000,
    )
    wire.send(wire.body, content_type=wire.dice.choice(kinds))
    return True


async def other_success(wire: Wire) -> bool:
    wire.send(wire.body, wire.dice.choice(("201 Created", "206 Partial", "299 Yes")))
    return True


async def no_content(wire: Wire) -> bool:
    wire.writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    return True


async def other_encoding(wire: Wire) -> bool:
    wire.send(wire.body, content_encoding=wire.dice.choice(("gzip", "deflate", "br", "x", "zstd")))
    return True


async def cut_gzip(wire: Wire) -> bool:
    packed = gzip.compress(wire.body)
    wire.send(packed[: wire.dice.randrange(1, len(packed) - 8)], content_encoding="gzip")
    return True


async def closed_after(wire: Wire) -> bool:
    wire.send(wire.body)
    await wire.writer.drain()
    return False


NOT_HTTP = (
    b"hello\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 abc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}",
    b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"\r\n{}",
    b"\x16\x03\x01\x02\x00\x01",
)


async def not_http(wire: Wire) -> bool:
    wire.writer.write(wire.dice.choice(NOT_HTTP))
    await wire.writer.drain()
    return False
