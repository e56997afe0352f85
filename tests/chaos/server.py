"""The world behind a socket, in a thread of its own, with faults in between."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections import Counter
from contextlib import suppress
from typing import Any, Self

from tests.chaos import faults, mutations
from tests.chaos.dialects import Dialects
from tests.chaos.faults import Fault, Wire, response
from tests.chaos.world import WrongPrefixError, asked_in

HARMLESS: tuple[Fault, ...] = (
    *(faults.drip, faults.late, faults.two_responses, faults.other_content_type),
    *(faults.other_success, faults.closed_after),
)
"""Strange, but an answer."""

HARMFUL: tuple[Fault, ...] = (
    *(faults.reset, faults.close_unanswered, faults.cut, faults.refuse, faults.garbage),
    *(faults.half_a_document, faults.two_documents, faults.no_content, faults.other_encoding),
    *(faults.cut_gzip, faults.not_http, faults.full_context, mutations.wrong_header),
    *(mutations.wrong_document,) * 12,
)

SLOW: tuple[Fault, ...] = (faults.hang, faults.hang_in_the_body)
"""They take the endpoint's whole timeout."""


class WorldServer:
    """Serves the world on loopback. What it counts may be read between two rounds.

    Attributes:
        rate: Share of answers to which something happens.
        slow: Of these, the share that never come.
        injected: How often each fault happened.
        answered: For each role, answers to generations and scores that were sent whole.
        doubtful: For each role, faults that an answer may survive.
        full: How often a question's role was told that its context is full.
        wrong: Requests that no answer of the world can lead to.
        open: Connections.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.rate = 0.0
        self.slow = 0.0
        self.injected: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.doubtful: Counter[str] = Counter()
        self.full: Counter[tuple[str, str]] = Counter()
        self.requests = 0
        self.wrong: list[str] = []
        self.open = 0
        self.url = ""
        self._dialects = Dialects()
        self._loop = asyncio.new_event_loop()
        self._loop.set_debug(False)  # -X dev is for those who ask
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Listen on a free port."""
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.url = "http://{}:{}".format(*self._server.sockets[0].getsockname())
        return self

    def __exit__(self, *_: object) -> None:
        """Close everything."""
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _close(self) -> None:
        self._server.close()
        connections = asyncio.all_tasks() - {asyncio.current_task()}
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(reader, writer):
                    pass
        finally:
            self.open -= 1
            writer.close()
            with suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = (line.partition(":") for line in head[1:])
        length = next((int(v) for n, _, v in lines if n.lower() == "content-length"), 0)
        body = json.loads(await reader.readexactly(length))
        path = head[0].split(" ")[1]
        self.requests += 1
        try:
            answer, headers = self._dialects.answer(path, body)
            sent = json.dumps(answer)
        except (WrongPrefixError, LookupError) as error:
            self.wrong.append(f"{path}: {error!r}")
            writer.write(response(b"", "400 Wrong", {}))
            return True
        asked = asked_in(f"{body} {sent}")
        return await self._send(
            Wire(reader, writer, sent.encode(), headers, self.dice), path, asked
        )

    async def _send(self, wire: Wire, path: str, asked: str | None) -> bool:
        _, _, role, route = path.split("/", 3)
        counts = "token" not in route and "template" not in route and route != "api/chat"
        if self.dice.random() >= self.rate:
            self.answered[role] += counts
            wire.send(wire.body)
            await wire.writer.drain()
            return True
        fault = self._fault(wire, asked)
        self.injected[fault.__name__] += 1
        if fault in HARMLESS:
            self.answered[role] += counts
        else:
            self.doubtful[role] += counts or fault is faults.full_context
        if asked and fault is faults.full_context:
            self.full[asked, role] += 1
        usable = await fault(wire)
        await wire.writer.drain()
        return usable

    def _fault(self, wire: Wire, asked: str | None) -> Fault:
        if self.dice.random() < self.slow:
            return self.dice.choice(SLOW)
        found = self.dice.choice(HARMLESS if self.dice.random() < 0.15 else HARMFUL)
        needs_headers = found is mutations.wrong_header and not wire.headers
        needs_question = found is faults.full_context and asked is None
        return mutations.wrong_document if needs_headers or needs_question else found
