"""The program as a process: start, interruption, failure, and what it serves."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from typer.testing import CliRunner

from rsd_graph.cli import app
from tests.helpers.fake_endpoint import FakeEndpoint

PROGRAM = "from rsd_graph.cli import main; main()"


async def start(*arguments: str) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, *arguments, stdout=PIPE, stderr=PIPE
    )


def seats(url: str) -> list[str]:
    """All three seats at one llama.cpp endpoint."""
    return ["--draft", url, "--target", url, "--prm", url]


@asynccontextmanager
async def hanging_server() -> AsyncIterator[tuple[str, asyncio.Event, asyncio.Event]]:
    """A llama.cpp server that never finishes a step: its URL, "asked", and "left alone"."""
    asked, left = asyncio.Event(), asyncio.Event()

    async def complete(request: web.Request) -> web.Response:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            left.set()
        return web.Response()

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"prompt": "p", "tokens": []})

    routes = web.Application()
    routes.router.add_post("/completion", complete)
    routes.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(routes, handler_cancellation=True, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"llamacpp+http://127.0.0.1:{runner.addresses[0][1]}", asked, left
    await runner.cleanup()


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
async def test_ctrl_c_stops_the_remote_work() -> None:
    """The request in flight is closed, no answer is printed, and the exit code is 130."""
    async with hanging_server() as (url, asked, left):
        program = await start("solve", "q", *seats(url))
        await asked.wait()
        program.send_signal(signal.SIGINT)
        await left.wait()

        output, errors = await program.communicate()
        assert output == b""
        assert errors.decode() == f"draft {url}, target {url}, prm {url}\n"
        assert program.returncode == 130


async def test_a_failure_after_retries() -> None:
    """Each wait is told while it lasts; the error that remains is one line, once."""
    async with FakeEndpoint(
        {"/apply-template": {"prompt": "p"}, "/tokenize": {"tokens": []}}
    ) as at:
        busy = (503, {"error": {"message": "Loading model"}}, {"Retry-After": "0"})
        at.script("/completion", *[busy] * 9)
        program = await start("solve", "q", *seats(f"llamacpp+{at.url}"), "--max-retries", "1")

        output, errors = await program.communicate()

    assert (program.returncode, output) == (1, b"")
    _, waiting, error = errors.decode().splitlines()
    told = rf"draft at {re.escape(at.url)}: ServerError at attempt 1; next in \d\.\d s"
    assert re.fullmatch(told, waiting)
    assert error.startswith("error: draft at ")


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
async def test_up_serves_until_ctrl_c(bigram: str) -> None:
    """Another process solves over the endpoints it prints, then they are gone."""
    server = await start("up", *seats(bigram)[:4], "--prm", bigram, "--json")
    assert server.stdout is not None
    endpoints = json.loads(await server.stdout.readline())
    options = [word for role, at in endpoints.items() for word in (f"--{role}", at)]

    solved = await start("solve", "What is 3+4?", *options, "--json")
    output, _ = await solved.communicate()
    server.send_signal(signal.SIGINT)

    assert list(endpoints) == ["draft", "target", "prm"]
    assert json.loads(output)["answer"] == "So 7."
    assert await server.communicate() == (b"", b"")
    assert server.returncode == 0
    _, port = endpoints["draft"].removesuffix("/v1#bigram").rsplit(":", 1)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(port))


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
async def test_up_says_how_to_use_it(bigram: str) -> None:
    """The command it prints can be pasted as it is."""
    server = await start("up", *seats(bigram))
    assert server.stdout is not None
    lines = [(await server.stdout.readline()).decode().strip() for _ in range(5)]
    server.send_signal(signal.SIGINT)
    await server.communicate()

    endpoints = [line.split()[1] for line in lines[:3]]
    assert [line.split()[0] for line in lines[:3]] == ["draft", "target", "prm"]
    assert lines[4] == (
        f"rsd-graph solve QUESTION --draft '{endpoints[0]}' --target '{endpoints[1]}' "
        f"--prm '{endpoints[2]}'"
    )


def test_up_takes_ports_in_a_row(bigram: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --port the draft has it, and target and PRM have the next two."""
    command = importlib.import_module("rsd_graph.cli.up")
    names: list[str] = []
    monkeypatch.setattr("rsd_graph.embedded.engine.endpoint_for", names.append)
    command._serve("draft", "embedded:draft", 8101)
    command._serve("prm", "math-shepherd+embedded:/m.gguf?slots=2", 8103)

    assert names == ["draft?port=8101", "/m.gguf?slots=2&port=8103"]


def test_up_serves_only_what_is_here(terminal: CliRunner) -> None:
    """A model served elsewhere needs no serving."""
    result = terminal.invoke(app, ["up", "--draft", "vllm+http://gpu1:8000"])

    assert result.exit_code == 1
    assert result.stderr.startswith("error: draft: 'vllm+http://gpu1:8000' is served elsewhere")


async def test_help_imports_no_framework() -> None:
    """`rsd-graph --help` answers at once: no LangGraph, no LangChain, no HTTP."""
    code = (
        "import sys; from rsd_graph.cli import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'langgraph', 'langchain_core', 'openai', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    program = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=PIPE)

    output, _ = await program.communicate()

    assert output.decode().splitlines()[-1] == "[]"


async def test_a_reader_that_leaves_early(stack: list[str]) -> None:
    """`rsd-graph solve ... | head -1` ends without a traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, "solve", "q", *stack, stdout=writer, stderr=PIPE
    )
    os.close(writer)

    _, errors = await program.communicate()

    assert program.returncode == 1
    assert errors.decode() == f"draft {stack[1]}, target {stack[3]}, prm {stack[5]}\n"
