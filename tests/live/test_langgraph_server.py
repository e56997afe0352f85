"""The real `langgraph dev` serves our graph, and a `langgraph_sdk` client uses it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from rsd_graph import initial_state
from rsd_graph.embedded.task import held_out_problems
from tests.live.servers import free_port

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]
QUESTION = initial_state(held_out_problems(1)[0].question, seed=1)


@pytest.fixture(scope="module")
def url(venvs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server, started with our own `langgraph.json` in a directory of its own."""
    port = free_port()
    home = tmp_path_factory.mktemp("served")
    shutil.copy(ROOT / "langgraph.json", home)
    shutil.copytree(ROOT / "examples", home / "examples")
    command = venvs / "langgraph" / "bin" / "langgraph"
    options = ["dev", "--no-browser", "--no-reload", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "LANGSMITH_TRACING": "false"}
    server = subprocess.Popen([command, *options], cwd=home, env=environment)
    try:
        _wait_for(f"http://127.0.0.1:{port}/ok")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str) -> None:
    ready = retry_if_exception_type(httpx2.TransportError)
    for attempt in Retrying(stop=stop_after_delay(120), wait=wait_fixed(0.5), retry=ready):
        with attempt:
            httpx2.get(url).raise_for_status()


@pytest.fixture
async def client(url: str) -> AsyncIterator[LangGraphClient]:
    async with get_client(url=url) as connected:
        yield connected


async def test_a_client_runs_it(client: LangGraphClient) -> None:
    """One run on a thread of the server's, to its end."""
    thread = await client.threads.create()

    answer: Any = await client.runs.wait(thread["thread_id"], "rsd", input=QUESTION)

    assert answer["finish_reason"] == "stop"
    assert len(answer["steps"]) > 1


async def test_a_client_streams_it(client: LangGraphClient) -> None:
    """Custom events reach the client: each step is drafted, then settled."""
    stream = client.runs.stream(None, "rsd", input=QUESTION, stream_mode="custom")
    types = [part.data["type"] async for part in stream if part.event == "custom"]

    assert types[:2] == ["step_drafted", "step_scored"]
    assert types.count("step_settled") == types.count("step_drafted")


async def test_a_client_interrupts_and_resumes_it(client: LangGraphClient) -> None:
    """The server stores the run between two nodes, and a second call finishes it."""
    thread_id = (await client.threads.create())["thread_id"]

    await client.runs.wait(thread_id, "rsd", input=QUESTION, interrupt_before=["score"])
    state = await client.threads.get_state(thread_id)
    answer: Any = await client.runs.wait(thread_id, "rsd", input=None)

    assert state["next"] == ["score"]
    assert answer["finish_reason"] == "stop"


async def test_a_remote_graph_is_a_graph(client: LangGraphClient) -> None:
    """`RemoteGraph` runs it as if it were here."""
    answer: Any = await RemoteGraph("rsd", client=client).ainvoke(QUESTION)

    assert answer["finish_reason"] == "stop"
