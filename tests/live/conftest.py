"""Real servers, started once and shared. `make test-live` installs them and sets RSD_LIVE_VENV."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from rsd_graph import Endpoint
from rsd_graph.embedded.engine import MODELS
from tests.live.servers import transformers_serve, vllm

_AT_ONCE = 3
"""Servers that start at the same time: more of them take longer than each may take."""

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
def random_models(venvs: Path, logs: Path) -> Path:
    """Reward models with random weights; see `random_models.py`."""
    script = Path(__file__).with_name("random_models.py")
    python = venvs / "vllm" / "bin" / "python"
    subprocess.run([python, script, MODELS / "prm", logs / "models"], check=True)
    return logs / "models"


@pytest.fixture(scope="session")
def step_pooling(random_models: Path) -> Mapping[str, object]:
    """What vLLM must be told to pool at the tags of the random process reward model."""
    tag = json.loads((random_models / "tag.json").read_text("utf-8"))
    return {"pooling_type": "STEP", "step_tag_id": tag}


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
    """Start all, a few at once, yield their endpoints, and stop all, whatever happens."""
    with ExitStack() as stack, ThreadPoolExecutor(_AT_ONCE) as pool:
        started = {
            name: pool.submit(stack.enter_context, server) for name, server in servers.items()
        }
        yield {name: future.result() for name, future in started.items()}
