"""Starting real servers on free ports of loopback, and stopping all they start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from rsd_graph import Endpoint

CONTEXT = 256
"""Tokens every server here can hold: small, so that a test can fill it."""

BLOCK = 32
"""Tokens in a block of vLLM's prefix cache: the least it takes on a CPU, where 128 are usual."""

_READY_WITHIN = 900.0
"""Seconds; vLLM alone takes 45 to 80 on a busy machine."""

_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
}
_VLLM_ON_CPU = {
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_LOOPBACK_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "TORCHDYNAMO_DISABLE": "1",  # or the first log-probabilities compile C++ for 20 seconds
}


_AFTER_US = ("nice", "-n", "10")
"""Three servers that spin on two cores kept the tests themselves from running for seconds."""


class ServerDiedError(Exception):
    """The process ended before it answered; its log says why."""


def served_as(architecture: str) -> Sequence[str]:
    """What makes vLLM serve a checkpoint as another architecture."""
    return ("--hf-overrides", json.dumps({"architectures": [architecture]}))


@contextmanager
def vllm(
    venv: Path,
    model: Path,
    logs: Path,
    *,
    name: str,
    pooler: Mapping[str, object] | None = None,
    more: Sequence[str] = (),
    cores: str = "0",
) -> Iterator[Endpoint]:
    """vLLM with *model* and whatever *more* it is told; with *pooler*, as a reward model.

    *more* may contradict what stands here: the last word counts. Its engine's *cores* are divided
    by `|` where it has several.
    """
    options = ["--served-model-name", name, "--dtype", "float32", "--enforce-eager"]
    options += ["--max-model-len", str(CONTEXT), "--max-num-seqs", "16"]
    options += ["--kv-cache-memory-bytes", "64M", "--enable-prompt-tokens-details"]
    options += ["--block-size", str(BLOCK)]
    if pooler is not None:
        options += ["--runner", "pooling"]
        options += ["--pooler-config", json.dumps(pooler)] if pooler else []
    command = [str(venv / "bin" / "python"), "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", str(model), *options, *more]
    environment = {**_QUIET, **_VLLM_ON_CPU, "VLLM_CPU_OMP_THREADS_BIND": cores}
    environment["VLLM_CACHE_ROOT"] = str(venv / "cache")
    with _running(command, environment, venv, logs / f"vllm-{name}.log") as url:
        yield Endpoint(f"{url}/v1", name)


@contextmanager
def transformers_serve(venv: Path, model: Path, logs: Path) -> Iterator[Endpoint]:
    """`transformers serve` with *model*, which it wants named by its path."""
    command = [str(venv / "bin" / "transformers"), "serve", str(model)]
    command += ["--device", "cpu", "--dtype", "float32"]
    environment = {**_QUIET, "HF_HOME": str(logs / "hf"), "OMP_NUM_THREADS": "1"}
    with _running(command, environment, venv, logs / f"transformers-{model.name}.log") as url:
        yield Endpoint(f"{url}/v1", str(model))


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], venv: Path, log: Path
) -> Iterator[str]:
    """The address of *command* once it is healthy; its whole process group ends with the block."""
    port = free_port()
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_AFTER_US, *command, "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, **environment, "PATH": path},
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        wait_until_healthy(process, f"http://127.0.0.1:{port}/health", log, _READY_WITHIN)
        yield f"http://127.0.0.1:{port}"
    finally:
        _stop(process)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(
    process: subprocess.Popen[bytes], url: str, log: Path, within: float
) -> None:
    """Until *url* answers; its server writes into *log*.

    Raises:
        ServerDiedError: It ended.
        RetryError: It did not answer within so many seconds.
    """
    unready = retry_if_exception_type((httpx2.TransportError, httpx2.HTTPStatusError))
    for attempt in Retrying(stop=stop_after_delay(within), wait=wait_fixed(1), retry=unready):
        with attempt:
            if process.poll() is not None:
                raise ServerDiedError(log.read_text("utf-8", "replace")[-3000:])
            httpx2.get(url).raise_for_status()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Politely, then not; vLLM has several processes, all in the group."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)


def kill(endpoint: Endpoint) -> None:
    """SIGKILL to the server that was started here for *endpoint*, and to all it started (Linux)."""
    told = f"--port\0{urlsplit(endpoint.url).port}\0".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is a child of the group's leader
            if told in (process / "cmdline").read_bytes():
                os.killpg(int(process.name), signal.SIGKILL)
