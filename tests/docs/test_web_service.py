"""The web service of the how-to page, behind a real HTTP server: it streams, and it stops."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from rsd_graph import Candidate, ChatRSD, ScriptedRewardModel, ScriptedStepModel, candidate
from rsd_graph.errors import EndpointConnectionError
from rsd_graph.providers.base import StepRequest
from tests.helpers.pages import ROOT, blocks

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")

PAGE = ROOT / "docs" / "how-to" / "web-service.md"


class DraftOnRequest:
    """A draft that writes its next step when it is told to, and knows when it is cut off."""

    def __init__(self, *steps: Candidate) -> None:
        self._steps = iter(steps)
        self._told = asyncio.Semaphore(0)
        self.asked = asyncio.Semaphore(0)
        self.cut_off = asyncio.Event()

    def write(self) -> None:
        self._told.release()

    async def write_step(self, request: StepRequest) -> Candidate:
        self.asked.release()
        try:
            await self._told.acquire()
        except asyncio.CancelledError:
            self.cut_off.set()
            raise
        return next(self._steps)


@asynccontextmanager
async def served(llm: ChatRSD) -> AsyncIterator[str]:
    """The page's app, on loopback, with this model; its address."""
    names: dict[str, Any] = {"__name__": "web_service"}
    exec(blocks(PAGE, "python")[0].text, names)
    names["llm"] = llm
    server = uvicorn.Server(uvicorn.Config(names["app"], log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # clients may knock before it starts
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/solve"
        server.should_exit = True
        await running


async def next_event(response: aiohttp.ClientResponse) -> tuple[str, Any]:
    """The kind and the content of the next event."""
    kind = (await response.content.readline()).decode().removeprefix("event: ").strip()
    data = (await response.content.readline()).decode().removeprefix("data: ")
    await response.content.readline()
    return kind, json.loads(data)


def model(draft: Any, rewards: int) -> ChatRSD:
    return ChatRSD(
        draft=draft, target=ScriptedStepModel([]), prm=ScriptedRewardModel([1.0] * rewards)
    )


async def test_each_step_arrives_before_the_next_is_written() -> None:
    """The draft writes its second step only after the client has read the first."""
    draft = DraftOnRequest(candidate("one"), candidate("two", "eos"))
    async with (
        served(model(draft, 2)) as url,
        aiohttp.ClientSession() as client,
        client.post(url, json={"text": "q"}) as response,
    ):
        draft.write()
        first = await next_event(response)
        draft.write()
        second = await next_event(response)
        kind, ledger = await next_event(response)

    assert (first, second, kind) == (("step", "one"), ("step", "\n\ntwo"), "done")
    assert ledger["accepted_steps"] == 2


async def test_a_client_that_hangs_up_stops_the_run() -> None:
    """The request in flight is cancelled, and no further step is asked for."""
    draft = DraftOnRequest(candidate("one"), candidate("two", "eos"))
    async with served(model(draft, 2)) as url, aiohttp.ClientSession() as client:
        async with client.post(url, json={"text": "q"}) as response:
            await draft.asked.acquire()
            draft.write()
            await next_event(response)
            await draft.asked.acquire()  # at work on the second step
        await draft.cut_off.wait()

    assert draft.asked.locked()


async def test_a_failure_after_the_first_step_is_an_event_without_details() -> None:
    """The client hears that it failed, and nothing about the endpoints behind it."""
    failure = EndpointConnectionError("gone", endpoint="http://secret:1", role="draft")
    draft = ScriptedStepModel([candidate("one"), failure])
    async with (
        served(model(draft, 1)) as url,
        aiohttp.ClientSession() as client,
        client.post(url, json={"text": "q"}) as response,
    ):
        events = [await next_event(response), await next_event(response)]

    assert events == [("step", "one"), ("failed", "EndpointConnectionError")]
