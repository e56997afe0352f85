"""Kept connections: nobody is given an answer that another is owed."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import suppress

import pytest

from rsd_graph import Endpoint, MalformedResponseError
from rsd_graph.providers.http.client import Client
from tests.helpers.fake_endpoint import NO_WAIT


async def test_an_answer_nobody_asked_for_is_never_taken_for_the_next_one() -> None:
    """A server that answers twice: its connection is not used again, and each gets its own."""
    first_is_read, said_too_much, hung_up = (asyncio.Event() for _ in range(3))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):  # until the client hangs up
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
                await reader.readexactly(2)
                writer.write(_json_answer(path))
                if path == "/first":
                    await first_is_read.wait()
                    writer.write(_json_answer("stale"))
                    said_too_much.set()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = Client(Endpoint(f"http://127.0.0.1:{port}"))
        first = await client.post("/first", {}, dict)
        first_is_read.set()
        await said_too_much.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        others = [await client.post(path, {}, dict) for path in ("/second", "/third")]
        await client.aclose()
        await hung_up.wait()

    assert [first, *others] == [{"path": path} for path in ("/first", "/second", "/third")]


async def test_what_lies_unread_in_the_system_is_seen_too() -> None:
    """An event loop that was busy has not read it yet: the connection is not used again."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Script(listening, [["/first", "stale"], ["/second"]])
        client = Client(Endpoint(server.url, retry=NO_WAIT))
        first = await client.post("/first", {}, dict)
        server.first_is_read.set()
        assert server.said_too_much.wait(60)  # nothing is read while this thread is held
        second = await client.post("/second", {}, dict)
        await client.aclose()

    assert [first, second] == [{"path": "/first"}, {"path": "/second"}]


async def test_an_answer_that_makes_no_sense_is_the_last_of_its_connection() -> None:
    """It may be one that somebody else is owed, and the right one be on its way."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = _Script(listening, [["stale"], ["/second"]])
        client = Client(Endpoint(server.url, retry=NO_WAIT))
        server.first_is_read.set()
        with pytest.raises(MalformedResponseError):
            await client.post("/first", {}, list[int])
        second = await client.post("/second", {}, dict)
        await client.aclose()

    assert second == {"path": "/second"}


class _Script(threading.Thread):
    """A server with a list of answers for each connection, one after the other.

    The first goes out once it was asked; the others of the first connection when the client has it.
    """

    def __init__(self, listening: socket.socket, connections: list[list[str]]) -> None:
        super().__init__(daemon=True)
        self.url = "http://{}:{}".format(*listening.getsockname())
        self.first_is_read, self.said_too_much = threading.Event(), threading.Event()
        self._listening, self._connections = listening, connections
        self.start()

    def run(self) -> None:
        """Serve them all, then end."""
        for answers in self._connections:
            connection, _ = self._listening.accept()
            with connection, suppress(ConnectionError):
                connection.recv(65536)
                connection.sendall(_json_answer(answers[0]))
                self.first_is_read.wait(60)
                for more in answers[1:]:
                    connection.sendall(_json_answer(more))
                self.said_too_much.set()
                while connection.recv(65536):  # until the client hangs up; nothing is answered
                    pass


def _json_answer(path: str) -> bytes:
    body = json.dumps({"path": path}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body
