"""Clients that hang up: what the server still does for them, measured at the endpoints behind it.

Server, clients and endpoints share one process, so that every task and socket can be counted.
"""

from __future__ import annotations

import asyncio
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from aiohttp import web

from benchmarks.serving import asking, over_http, resident_mb
from rsd_graph.server import Catalog, create_app

ROLES = ("draft", "prm", "target")
_PATIENCE = 30.0
"""Seconds after which a request that nobody ends counts as left."""


@dataclass(slots=True)
class HangUps:
    """What was measured.

    Attributes:
        seconds: From each hang-up until no endpoint was at work for it.
        left: Requests the endpoints still had at the end.
        tasks: Of the event loop, after the first tenth and at the end.
        files: Open files and sockets; likewise.
        memory: Resident MB; likewise.
    """

    seconds: list[float] = field(default_factory=list)
    left: int = 0
    tasks: list[int] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def count(self) -> None:
        """Note what there is now."""
        self.tasks.append(len(asyncio.all_tasks()))
        self.files.append(len([*Path("/proc/self/fd").iterdir()]))
        self.memory.append(resident_mb())


class Endpoints:
    """Three endpoints of which one, named in the question, answers its second request never."""

    def __init__(self) -> None:
        self.held: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    def app(self) -> web.Application:
        """Their routes, each below its role."""
        app = web.Application()
        app.router.add_post("/{role}/v1/completions", self._completion)
        app.router.add_post("/{role}/pooling", self._pooling)
        return app

    async def until_held(self, name: str, *, is_held: bool) -> None:
        """Wait until a request of this question is held, or none."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self.held[name]) is is_held)

    async def _completion(self, request: web.Request) -> web.Response:
        prompt, role = (await request.json())["prompt"], request.match_info["role"]
        steps = prompt.rpartition("<a>")[2].count("\n\n")
        if steps or role == "target":
            await self._held(role, prompt)
        choice = {"text": f"step {steps}", "finish_reason": "stop", "stop_reason": "\n\n"}
        spent = {"prompt_tokens": 9, "completion_tokens": 3}
        return web.json_response({"choices": [{"index": 0, **choice}], "usage": spent})

    async def _pooling(self, request: web.Request) -> web.Response:
        prompt = (await request.json())["input"]
        tags = prompt.count("<extra_0>")
        if tags > 1:
            await self._held("prm", prompt)
        bad = tags > 1 and "hold target" in prompt
        rows = [[0.1, 0.9]] * (tags - bad) + [[0.9, 0.1]] * bad
        answer = {"data": [{"index": 0, "data": rows}], "usage": {"prompt_tokens": 9}}
        return web.json_response(answer)

    async def _held(self, role: str, prompt: str) -> None:
        """Answer never, if the question wants this role to; it ends when the caller leaves."""
        if f"hold {role}" not in prompt:
            return
        name = prompt.partition("#")[2].partition("#")[0]
        await self._count(name, 1)
        try:
            await asyncio.Event().wait()
        finally:
            await self._count(name, -1)

    async def _count(self, name: str, more: int) -> None:
        async with self._changed:
            self.held[name] += more
            self._changed.notify_all()


@asynccontextmanager
async def serving(endpoints: Endpoints) -> AsyncIterator[int]:
    """The endpoints, and the server in front of them; its port."""
    runner = web.AppRunner(endpoints.app(), handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    model = over_http(*(f"{url}/{role}" for role in ("draft", "target", "prm")))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(Catalog({"math": model})), log_level="error"))
    running = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        await runner.cleanup()


async def hang_ups(count: int, seed: int) -> HangUps:
    """So many clients that leave, one after the other, while a role drawn by *seed* is at work."""
    found, draw, endpoints = HangUps(), random.Random(seed), Endpoints()
    async with serving(endpoints) as port:
        for number in range(count):
            role, stream = draw.choice(ROLES), draw.random() < 0.5
            name = f"{number}"
            body = asking(f"hold {role} #{name}#", stream=stream)
            async with _connected(port, abruptly=draw.random() < 0.5) as writer:
                writer.write(body)
                await asyncio.wait_for(endpoints.until_held(name, is_held=True), _PATIENCE)
            began = time.perf_counter()
            await asyncio.wait_for(endpoints.until_held(name, is_held=False), _PATIENCE)
            found.seconds.append(time.perf_counter() - began)
            if number + 1 in (max(1, count // 10), count):
                found.count()
        found.left = endpoints.held.total()
    return found


@asynccontextmanager
async def _connected(port: int, *, abruptly: bool) -> AsyncGenerator[asyncio.StreamWriter]:
    """A connection that ends with a reset, or in the ordinary way."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    yield writer
    writer.transport.abort() if abruptly else writer.close()
