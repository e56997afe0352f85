"""Servers of the benchmark run in processes of their own and say where, in one line of JSON."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web


@asynccontextmanager
async def started(module: str, *arguments: str) -> AsyncIterator[str]:
    """Run *module* in its own process; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())["url"]
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def serve(app: web.Application, port: int = 0, **said: object) -> None:
    """Serve on loopback until terminated; the address, and what else is *said*, go to stdout."""
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    host, bound = runner.addresses[0][:2]
    sys.stdout.write(json.dumps({**said, "url": f"http://{host}:{bound}"}) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()
