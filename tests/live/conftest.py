"""Real servers, started once and shared. `make test-live` installs them and sets RSD_LIVE_VENV."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from rsd_graph import Endpoint
from rsd_graph.embedded.engine import MODELS
from tests.live.servers import transformers_serve, vllm

VENVS = os.environ.get("RSD_LIVE_VENV")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without its servers the suite is skipped, not failed."""
    if VENVS:
        return
    for item in items:
        if "live" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs servers: run `make test-live`"))


@pytest.fixture(scope="session")
def venvs() -> Path:
    """Where `install.py` put the servers."""
    return Path(VENVS or "").resolve()


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers' logs go; pytest keeps those of the last three runs."""
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="session")
def vllm_servers(venvs: Path, logs: Path) -> Iterator[Mapping[str, Endpoint]]:
    """The shipped draft, target and PRM, each on a vLLM of its own, started together."""
    yield from together(
        {
            role: vllm(venvs / "vllm", MODELS / role, logs, name=role)
            for role in ("draft", "target", "prm")
        }
    )


@pytest.fixture(scope="session")
def transformers_servers(venvs: Path, logs: Path) -> Iterator[Mapping[str, Endpoint]]:
    """The shipped draft and target, each on a `transformers serve` of its own."""
    yield from together(
        {
            role: transformers_serve(venvs / "transformers", MODELS / role, logs)
            for role in ("draft", "target")
        }
    )


def together(
    servers: Mapping[str, AbstractContextManager[Endpoint]],
) -> Iterator[Mapping[str, Endpoint]]:
    """Start all at once, yield their endpoints, and stop all, whatever happens."""
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        started = {
            name: pool.submit(stack.enter_context, server) for name, server in servers.items()
        }
        yield {name: future.result() for name, future in started.items()}
