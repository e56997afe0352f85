"""Servers that many tests share."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from rsd_graph import Endpoint
from rsd_graph.stacks.settings import SETTINGS
from tests.helpers.bigram import CONTEXT, write_bigram_model
from tests.helpers.browsing import CHROMIUM, chromium
from tests.helpers.fake_tool_server import FakeToolServer, in_a_thread

Serve = Callable[..., Endpoint]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """LangChain's suite brings a benchmark: it is run as a test, and timed by nobody.

    All modules live to the end, so it does not pay to look often for what does not.
    """
    config.option.benchmark_disable = True
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True)
def _unconfigured_logging() -> Iterator[None]:
    """`capture_logs` leaves structlog configured, and the next test would log to its screen."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def _no_settings_of_yours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment of whoever runs the tests says to `ChatRSD` is not said here."""
    for name in SETTINGS:
        monkeypatch.delenv(f"RSD_{name.upper()}", raising=False)


@pytest.fixture(scope="session")
def serve_gguf() -> Iterator[Serve]:
    """Serves GGUF files with the real llama.cpp server, in this process, until the tests end.

    `cache_ram_mib` is memory for prompts that lost their slot; its own default is 8192.
    """
    xllamacpp = pytest.importorskip("xllamacpp")
    servers: list[Any] = []

    def serve(path: Path, cache_ram_mib: int = 8192) -> Endpoint:
        params = xllamacpp.CommonParams()
        params.model.path = str(path)
        params.hostnames, params.port = ["127.0.0.1"], 0
        params.offline, params.ui, params.warmup, params.verbosity = True, False, False, -1
        params.n_ctx, params.n_parallel, params.n_gpu_layers = CONTEXT, 1, 0
        params.cache_ram_mib = cache_ram_mib
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
        servers.append(xllamacpp.Server(params))
        return Endpoint(servers[-1].listening_address)

    yield serve
    servers.clear()


@pytest.fixture(scope="session")
def llamacpp_server(serve_gguf: Serve, tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    """A real llama.cpp server with the bigram model: `tests.helpers.bigram.CHAIN` has its words."""
    return serve_gguf(write_bigram_model(tmp_path_factory.mktemp("gguf") / "bigram.gguf"))


@pytest.fixture(scope="session")
def tool_server(llamacpp_server: Endpoint) -> Iterator[str]:
    """The URL of a server that writes text as llama.cpp does and acts as a fake does."""
    with in_a_thread(FakeToolServer(llamacpp_server.url)) as server:
        yield server.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One browser for a module: while it is open, no event loop can be run in this thread."""
    pytest.importorskip("playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with chromium() as started:
        yield started
