"""The engine, with the real llama.cpp behind it."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from rsd_graph import (
    ChatRSD,
    ConfigurationError,
    Endpoint,
    EndpointConnectionError,
    Prefix,
    RetryPolicy,
    StepRequest,
    candidate,
    reward_model,
    step_model,
)
from rsd_graph.answer.state import Message
from rsd_graph.embedded import engine as engine_module
from rsd_graph.embedded.engine import Engine, EngineOptions, parse_name
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from tests.helpers.bigram import CONTEXT, write_bigram_model

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")

QUESTION = Prefix([Message(role="user", content="What is 3+4?")])


@pytest.fixture(scope="module")
def bigram(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bigram_model(tmp_path_factory.mktemp("gguf") / "bigram.gguf")


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def test_a_file_is_served_once(engine: Engine, bigram: Path) -> None:
    """Naming a model again, from any number of threads at once, starts no second server."""
    with ThreadPoolExecutor(8) as threads:
        endpoints = list(threads.map(engine.endpoint, [str(bigram)] * 8))

    assert {str(endpoint) for endpoint in endpoints} == {str(endpoints[0])}


def test_other_options_are_another_server(engine: Engine, bigram: Path) -> None:
    """A server is found again by file and options together."""
    usual, small = engine.endpoint(str(bigram)), engine.endpoint(f"{bigram}?slots=1")

    assert usual.url != small.url
    assert (usual.max_concurrency, small.max_concurrency) == (8, 1)


async def test_every_slot_has_the_whole_context(engine: Engine, bigram: Path) -> None:
    """Context is per slot, though llama.cpp divides what it is given among them."""
    served = engine.endpoint(f"{bigram}?slots=3&context={CONTEXT}")
    client = Client(Endpoint(**served._asdict()))

    props = await client.get("/props", dict)

    assert props["total_slots"] == 3
    assert props["default_generation_settings"]["n_ctx"] == CONTEXT


async def test_a_file_of_yours_writes_steps(bigram: Path) -> None:
    """`embedded:/path/to/file.gguf` is a draft or target like any other."""
    step = await step_model(f"embedded:{bigram}", "draft").write_step(StepRequest(QUESTION, 64))

    assert (step["text"], step["ended"]) == ("First, 3+4=7.", "separator")


async def test_a_string_asks_for_log_probabilities(bigram: Path) -> None:
    """`logprobs=on` is the writer's option, beside those the file is served with."""
    model = step_model(f"embedded:{bigram}?slots=1&logprobs=on", "draft")
    coin = Prefix([Message(role="user", content="[coin]")], [candidate("3+4=7", "length")])

    step = await model.write_step(StepRequest(coin, 1))

    assert step["logprob"] == pytest.approx(math.log(0.6), abs=2e-3)
    assert step["certainty"]["lowest"] == step["logprob"]
    assert step["certainty"]["first_entropy"] == pytest.approx(
        0.950, abs=2e-3
    )  # of 0.6, 0.2 and 0.2


async def test_what_was_speculated_has_no_reported_probability(bigram: Path) -> None:
    """llama.cpp says 1 for each token its drafter guessed; reading the step back says the truth."""
    served = f"embedded:{bigram}?speculate={bigram}"
    model = HostedModel(step_model(served, "draft").wire, logprobs=True)  # type: ignore[attr-defined]
    coin = Prefix([Message(role="user", content="[coin]")], [candidate("3+4=7", "length")])

    step = await model.write_step(StepRequest(coin, 8))
    logprob, _ = await model.log_probability(coin, step["text"])

    assert (step["text"], step["logprob"]) == ("<+>", None)
    assert math.exp(logprob) == pytest.approx(0.6, abs=1e-3)


async def test_a_file_of_yours_scores_steps(bigram: Path) -> None:
    """And a PRM, with the family of its own before it."""
    model = step_model(f"embedded:{bigram}", "draft")
    step = await model.write_step(StepRequest(QUESTION, 64))

    scores = await reward_model(f"recompute+embedded:{bigram}").score(QUESTION, [step])

    assert scores.rewards == [pytest.approx(0.75, abs=0.001)]


def test_it_is_quiet(engine: Engine, bigram: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """llama.cpp's log reaches neither standard output nor standard error."""
    engine.endpoint(str(bigram))
    engine.close()

    assert capfd.readouterr() == ("", "")


def test_a_server_that_died_is_started_again(engine: Engine, bigram: Path) -> None:
    """A crash of llama.cpp costs one request, not the program."""
    engine.endpoint(str(bigram))
    (server,) = engine._servers.values()
    server._process.kill()
    server._process.wait()

    assert _listens(engine.endpoint(str(bigram)).url)


def test_a_killed_server_is_back_at_its_address(engine: Engine, bigram: Path) -> None:
    """Whoever holds the address need not know; elsewhere only if somebody took it meanwhile."""
    url = engine.endpoint(str(bigram)).url
    (server,) = engine._servers.values()
    server._process.kill()
    server._process.wait()

    server.revive()

    assert (engine.endpoint(str(bigram)).url, _listens(url)) == (url, True)


def test_an_answer_goes_on_when_its_engine_is_killed(bigram: Path) -> None:
    """Its next request finds the engine that took the place; the answer is as if nobody had."""
    options: Any = {"max_tokens": 64, "delta": 0.5, "prm": f"recompute+embedded:{bigram}"}
    chat = ChatRSD(draft=f"embedded:{bigram}", target=f"embedded:{bigram}", **options)
    whole = chat.invoke("What is 3+4?").content

    chunks = chat.stream("What is 3+4?")
    heard = [str(next(chunks).content)]
    server = engine_module._ENGINE._servers[parse_name(str(bigram))]
    server._process.kill()
    server._process.wait()
    server.revive()

    assert "".join([*heard, *(str(chunk.content) for chunk in chunks)]) == whole


async def test_an_engine_that_is_gone_is_an_error_of_ours(engine: Engine, bigram: Path) -> None:
    """It names role and address."""
    served = engine.endpoint(str(bigram))
    at = Endpoint(served.url, served.model, "draft", retry=RetryPolicy(attempts=1))
    engine.close()

    with pytest.raises(EndpointConnectionError, match=f"draft at {served.url}.*no connection"):
        await HostedModel(LlamaCppWire(at)).write_step(StepRequest(QUESTION, 64))


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("nothing", "embedded:nothing is not there"),
        ("/nowhere/model.gguf", "/nowhere/model.gguf is no file"),
        ("draft?slot=2", "unknown option 'slot' of embedded.* Did you mean 'slots'"),
        ("draft?slots=two", "'slots' cannot be used with 'two'"),
        ("draft?slots", "'slots' cannot be used with ''"),
        ("draft?slots=0", "slots at least 1"),
    ],
)
def test_a_name_that_means_nothing(name: str, complaint: str) -> None:
    """A wrong name or option is refused before anything is started."""
    with pytest.raises(ConfigurationError, match=complaint):
        parse_name(name)


def test_options_stand_after_a_question_mark(bigram: Path) -> None:
    """All of them are whole numbers."""
    path, options = parse_name(f"{bigram}?context=512&slots=2&threads=3&gpu_layers=99&port=8080")

    assert path == bigram
    assert options == EngineOptions(512, 2, 3, 99, 8080)


def test_a_large_file_has_other_defaults(bigram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads pay on large matrices, and every slot costs memory."""
    monkeypatch.setattr("rsd_graph.embedded.engine._SMALL_BYTES", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 12)

    _, options = parse_name(f"{bigram}?context=8192")

    assert options == EngineOptions(context=8192, slots=2, threads=6)


@pytest.mark.parametrize(
    ("megabytes", "cache"), [(1, 256), (70, 267), (500, 1907), (1100, 4196), (5000, 8192)]
)
def test_the_prompt_cache_grows_with_the_file(megabytes: int, cache: int, tmp_path: Path) -> None:
    """A token of a large model takes tens of kilobytes: 256 MiB would hold eight answers."""
    path = tmp_path / "large.gguf"
    with path.open("wb") as file:
        file.truncate(megabytes * 10**6)  # takes no space

    assert parse_name(str(path))[1].cache_mib == cache
    assert parse_name(f"{path}?cache_mib=0")[1].cache_mib == 0


def test_a_file_that_is_no_gguf(engine: Engine, tmp_path: Path) -> None:
    """The error says what llama.cpp found, and the file."""
    path = tmp_path / "letter.gguf"
    path.write_text("Dear Sir or Madam")

    with pytest.raises(ConfigurationError, match=r"letter\.gguf cannot be served: .*'Dear'"):
        engine.endpoint(str(path))


def test_a_file_that_is_cut_off(engine: Engine, bigram: Path, tmp_path: Path) -> None:
    """A download that broke off is told from a whole file."""
    path = tmp_path / "half.gguf"
    path.write_bytes(bigram.read_bytes()[:100_000])

    with pytest.raises(ConfigurationError, match="corrupted or incomplete"):
        engine.endpoint(str(path))


def test_a_port_that_is_taken(engine: Engine, bigram: Path) -> None:
    """By a server of ours or by any other program: the error names it."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        theirs, ours = other.getsockname()[1], urlsplit(engine.endpoint(str(bigram)).url).port

        for port in (ours, theirs):
            with pytest.raises(ConfigurationError, match=f"port {port} is taken.*port=0 takes any"):
                engine.endpoint(f"{bigram}?port={port}")


def test_without_llama_cpp(engine: Engine, bigram: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the extra to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(ConfigurationError, match=r"pip install 'rsd-graph\[embedded\]'"):
        engine.endpoint(str(bigram))


BUSY_AT_EXIT = """
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit
from rsd_graph.embedded.engine import endpoint_for

url = endpoint_for(sys.argv[1]).url
connection = HTTPConnection(urlsplit(url).netloc)
connection.request("POST", "/completion", '{"prompt": "[loop]", "n_predict": 200}')
print(url)
"""


def test_a_program_ends_while_its_model_writes(bigram: Path) -> None:
    """No crash, no noise, no waiting, and the server is gone."""
    done = subprocess.run(
        [sys.executable, "-c", BUSY_AT_EXIT, str(bigram)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert not _listens(done.stdout.strip())


STAYS = """
import signal, sys
from rsd_graph.embedded.engine import endpoint_for

signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background
print(endpoint_for(sys.argv[1]).url, flush=True)
sys.stdin.read()
"""


def test_a_killed_program_leaves_no_server_behind(bigram: Path) -> None:
    """Even one that had no chance to clean up after itself."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", STAYS, str(bigram)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as program:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        connection = _connect(url)
        program.kill()

    assert connection.recv(1) == b""  # returns once the server closes its sockets, in any order
    connection.close()
    assert any(_is_gone_soon(url) for _ in range(1000))


READS_A_LARGE_FILE = """
import ctypes, os, socket

class CommonParams:
    def __getattr__(self, name):
        return CommonParams()

class Server:
    def __init__(self, params):
        self.test = socket.create_connection(("127.0.0.1", int(os.environ["TEST_PORT"])))
        self.test.sendall(b"reading")
        ctypes.PyDLL(None).pause()  # a call of C that keeps the interpreter's lock, for ever
"""
"""Stands in for xllamacpp with a model that takes minutes to read: nothing else is different."""

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends once it has read")


@pytest.fixture
def reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where an engine calls once it reads its file, for ever."""
    (tmp_path / "xllamacpp.py").write_text(READS_A_LARGE_FILE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        monkeypatch.setenv("TEST_PORT", str(listener.getsockname()[1]))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
        yield listener


@on_linux
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_engine_that_still_starts_ends_with_its_program(
    end: signal.Signals, bigram: Path, reading: socket.socket
) -> None:
    """However the program dies, and though the engine is deep in C."""
    command = [sys.executable, "-c", STAYS, str(bigram)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as program:
        engine, _ = reading.accept()
        engine.settimeout(60)
        said = engine.recv(7)
        program.send_signal(end)
        program.wait()

        assert (said, engine.recv(1)) == (b"reading", b"")  # empty: its process is gone
        engine.close()


@on_linux
def test_an_engine_whose_program_is_gone_already_never_starts(
    bigram: Path, reading: socket.socket
) -> None:
    """A program can die before the first line of its engine runs."""
    host = Path(engine_module.__file__).with_name("host.py")
    request = {"caller": os.getpid(), "path": str(bigram), "name": "bigram"}
    request |= asdict(EngineOptions())

    done = subprocess.run(
        [sys.executable, "-P", str(host), json.dumps(request)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


FORKS = """
import os, signal, sys
from rsd_graph.embedded.engine import endpoint_for

url = endpoint_for(sys.argv[1]).url
if os.fork() == 0:
    signal.pause()
print(url, flush=True)
signal.pause()
"""


@on_linux
def test_a_forked_child_does_not_keep_the_engine_alive(bigram: Path) -> None:
    """A worker that outlives the program has inherited the pipe by which the engine hears of it."""
    command = [sys.executable, "-c", FORKS, str(bigram)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as it:
        assert it.stdout is not None
        connection = _connect(it.stdout.readline().strip())
        connection.settimeout(60)
        it.kill()
        it.wait()

        ended = connection.recv(1)

        os.killpg(it.pid, signal.SIGKILL)  # the worker, which is in its program's group
        connection.close()
    assert ended == b""


def _connect(url: str) -> socket.socket:
    at = urlsplit(url)
    return socket.create_connection((at.hostname, at.port))


def _is_gone_soon(url: str) -> bool:
    time.sleep(0.01)
    return not _listens(url)


def _listens(url: str) -> bool:
    try:
        _connect(url).close()
    except ConnectionRefusedError:
        return False
    return True
