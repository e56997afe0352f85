"""`rsd-graph serve` as a process: what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from rsd_graph.embedded.task import held_out_problems

COMMAND = [sys.executable, "-c", "from rsd_graph.cli import main; main()", "serve"]


@pytest.fixture
def process() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The program on a free port, and its address."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RSD_")}
    started = subprocess.Popen(
        [*COMMAND, "--port", "0"], stderr=subprocess.PIPE, text=True, env=environment
    )
    assert started.stderr is not None
    said = started.stderr.readline()
    (url,) = re.findall(r"http://\S+", said) or [pytest.fail(said)]
    yield started, url
    started.kill()
    started.wait()
    started.stderr.close()


def test_it_serves_the_shipped_models_and_ends_when_told(
    process: tuple[subprocess.Popen[str], str],
) -> None:
    """A right answer to a held-out problem; SIGTERM while a stream runs loses nothing of it."""
    started, url = process
    problem = held_out_problems(1)[0]
    body = {
        "model": "rsd-shipped",
        "messages": [{"role": "user", "content": problem.question}],
        "stream": True,
    }
    with httpx.stream("POST", f"{url}/chat/completions", json=body, timeout=60) as response:
        lines = response.iter_lines()
        first = next(lines)
        started.send_signal(signal.SIGTERM)
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]

    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events)
    assert json.loads(first[6:])["choices"][0]["delta"]["role"] == "assistant"
    assert rf"\boxed{{{problem.answer}}}" in text
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert started.wait(timeout=30) in (0, -signal.SIGTERM)


def test_a_taken_port_is_named() -> None:
    """One line, exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True)

    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr
