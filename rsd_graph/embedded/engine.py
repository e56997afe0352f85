"""The embedded engine: llama.cpp behind HTTP on loopback, one process for each GGUF file.

    embedded:draft                                        a model that comes with the package
    embedded:/models/qwen2.5-1.5b-q4_k_m.gguf             your own
    embedded:/models/qwen2.5-7b-q4_k_m.gguf?gpu_layers=99&context=8192&slots=4&threads=6
    embedded:target?speculate=draft                       with speculative decoding of tokens

A file is served once for each set of options, however often it is named, and until the interpreter
exits.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.http.endpoint import Endpoint

MODELS = Path(__file__).with_name("models")
SHIPPED = ("draft", "target", "prm")

_HOST = Path(__file__).with_name("host.py")
_SMALL_BYTES = 64 * 2**20
"""Below this, one thread: sharing small matrices costs more than it saves, and on a busy machine
forty times more. Above it, few slots: their memory counts."""
_MAX_THREADS = 8
_TIMEOUT = 600.0
"""Seconds one step may take: a laptop is slow, and there is no network to fail."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a GGUF file is served.

    Files over 64 MB have other defaults: 2 slots, and a thread for each core, at most 8.

    Attributes:
        context: Tokens each slot can hold, at most what the model was trained for.
        slots: Answers worked on at once; memory grows with `slots * context`.
        threads: CPU threads.
        gpu_layers: Layers kept on the GPU; -1 leaves it to llama.cpp. The wheel on the package
            index is for CPUs; builds for CUDA, ROCm and Vulkan are published beside it.
        port: 0 takes any free one.
        speculate: A second GGUF file that drafts tokens for the first to check (token-level
            speculative decoding, llama.cpp's own); a shipped name or a path. None by default.
    """

    context: int = 4096
    slots: int = 8
    threads: int = 1
    gpu_layers: int = -1
    port: int = 0
    speculate: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        if min(self.context, self.slots, self.threads) < 1 or self.gpu_layers < -1:
            raise ConfigurationError(
                f"{self} cannot be served.",
                expected="context, slots and threads at least 1, gpu_layers at least -1",
            )


class Engine:
    """Starts servers and remembers them; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[Path, EngineOptions], _Server] = {}

    def endpoint(self, name: str) -> Endpoint:
        """See `endpoint_for`."""
        path, options = parse_name(name)
        with self._lock:
            server = self._servers.get((path, options))
            if server is not None and not server.alive:
                server.close()
                server = None
            if server is None:
                _require_llama_cpp()
                server = self._servers[path, options] = _Server(path, options)
        return Endpoint(
            url=f"{server.address}/v1",
            model=path.stem,
            timeout=_TIMEOUT,
            max_concurrency=options.slots,
        )

    def close(self) -> None:
        """Stop every server, at once."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()


class _Server:
    """One GGUF file in a process of its own."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        request = asdict(options) | {"path": str(path), "name": path.stem}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_HOST), json.dumps(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self._process.stdout is not None
        reply = json.loads(self._process.stdout.readline() or '{"error": "llama.cpp crashed"}')
        if "error" in reply:
            self.close()
            raise ConfigurationError(
                f"{path} cannot be served: {reply['error']}.",
                expected="a GGUF file of a text model, and a free port",
            )
        self.address: str = reply["address"]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End it, whatever it is doing; it has nothing to save."""
        self._process.kill()
        with self._process:  # closes the pipes and waits
            pass


_ENGINE = Engine()
atexit.register(_ENGINE.close)


def endpoint_for(name: str) -> Endpoint:
    """Serve a model, if it is not served yet, and say where.

    Args:
        name: `draft`, `target`, `prm`, or the path of a GGUF file; options may follow a `?`.

    Raises:
        ConfigurationError: No such model or option, not a GGUF file llama.cpp can serve, or
            llama.cpp is not installed.
    """
    return _ENGINE.endpoint(name)


def parse_name(name: str) -> tuple[Path, EngineOptions]:
    """The file and the options that *name* stands for.

    Raises:
        ConfigurationError: No such model or option.
    """
    model, _, query = name.partition("?")
    path = _file(model)
    return path, replace(_usual_options(path), **_given(query))


def _file(model: str) -> Path:
    path = MODELS / f"{model}.gguf" if model in SHIPPED else Path(model).expanduser().resolve()
    if not path.is_file():
        raise ConfigurationError(
            f"embedded:{model} is not there: {path} is no file.",
            expected=f"one of {', '.join(SHIPPED)}, or the path of a GGUF file",
        )
    return path


def _usual_options(path: Path) -> EngineOptions:
    if path.stat().st_size < _SMALL_BYTES:
        return EngineOptions()
    cores = (os.cpu_count() or 1) // 2  # two hyperthreads to a core
    return EngineOptions(slots=2, threads=min(max(1, cores), _MAX_THREADS))


def _given(query: str) -> dict[str, Any]:
    known = [field.name for field in fields(EngineOptions)]
    given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if "speculate" in given:
        given["speculate"] = str(_file(given["speculate"]))
    for name in given.keys() - {"speculate"}:
        if name not in known or not re.fullmatch(r"-?\d+", given[name]):
            raise ConfigurationError(
                f"the embedded engine cannot use {name}={given[name]}.",
                expected=f"whole numbers for {', '.join(known[:-1])}; a model for {known[-1]}",
            )
        given[name] = int(given[name])
    return given


def _require_llama_cpp() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "the embedded engine is not installed.",
            expected="the package xllamacpp (llama.cpp)",
            hint="Run: pip install 'rsd-graph[embedded]'",
        )
