"""The embedded engine: llama.cpp behind HTTP on loopback, one process for each GGUF file.

    embedded:draft                                        a model that comes with the package
    embedded:thinking-draft                               one that thinks before it answers
    embedded:/models/qwen2.5-1.5b-q4_k_m.gguf             your own
    embedded:/models/qwen2.5-7b-q4_k_m.gguf?gpu_layers=99&context=8192&slots=4&threads=6
    embedded:target?speculate=draft                       with speculative decoding of tokens

A file is served once for each set of options, however often it is named, and until the interpreter
is gone, however it goes. A server that is killed is started again at its address.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import threading
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl

from rsd_graph.embedded.server_process import ServerProcess
from rsd_graph.errors import ConfigurationError
from rsd_graph.plugins import call

MODELS = Path(__file__).with_name("models")
SHIPPED = ("draft", "target", "prm")
THINKING = tuple(f"thinking-{role}" for role in SHIPPED)

_SMALL_BYTES = 64 * 2**20
"""Below this, one thread: sharing small matrices costs more than it saves, and on a busy machine
forty times more. Above it, few slots: their memory counts."""
_MAX_THREADS = 8
_LARGE_BYTES = 10**9
_SMALL_CACHE, _LARGE_CACHE, _MOST_CACHE = 256, 4096, 8192
"""MiB. Above a gigabyte a token takes tens of kilobytes (57 in a 7B model), and 256 MiB would hold
eight answers; 8192 is llama.cpp's own default."""
_TIMEOUT = 600.0
"""Seconds one step may take: a laptop is slow, and there is no network to fail."""


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a GGUF file is served.

    Files over 64 MB have other defaults: 2 slots, a thread for each core, at most 8, and a cache of
    four times the file, between 256 MiB and 8192 MiB, above 1 GB at least 4096 MiB.

    Attributes:
        context: Tokens each slot can hold, at most what the model was trained for.
        slots: Answers worked on at once; memory grows with `slots * context`.
        threads: CPU threads.
        gpu_layers: Layers kept on the GPU; -1 leaves it to llama.cpp. The wheel on the package
            index is for CPUs; builds for CUDA, ROCm and Vulkan are published beside it.
        port: 0 takes any free one.
        cache_mib: Most memory, in MiB, for prompts that lost their slot to another answer: what is
            in it is not read again. Filled only as it is needed; 0 keeps none.
        speculate: A second GGUF file that drafts tokens for the first to check (token-level
            speculative decoding, llama.cpp's own); a shipped name or a path. None by default.
    """

    context: int = 4096
    slots: int = 8
    threads: int = 1
    gpu_layers: int = -1
    port: int = 0
    cache_mib: int = _SMALL_CACHE
    speculate: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be served."""
        least = {
            "context": 1,
            "slots": 1,
            "threads": 1,
            "gpu_layers": -1,
            "port": 0,
            "cache_mib": 0,
        }
        for name, number in least.items():
            if (given := getattr(self, name)) < number:
                raise ConfigurationError(
                    f"{name}={given} cannot be used.", expected=f"{name} at least {number}"
                )


class Served(NamedTuple):
    """Where a model is served.

    Attributes:
        url: Base URL of its server.
        model: What the server calls it.
        timeout: Seconds one step may take.
        max_concurrency: Answers it works on at once.
    """

    url: str
    model: str
    timeout: float
    max_concurrency: int

    def __str__(self) -> str:
        """As in an endpoint string."""
        return f"{self.url}#{self.model}"


class Engine:
    """Starts servers and remembers them; safe to call from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._servers: dict[tuple[Path, EngineOptions], ServerProcess] = {}

    def endpoint(self, name: str) -> Served:
        """See `endpoint_for`."""
        path, options = parse_name(name)
        with self._lock:
            server = self._servers.get((path, options))
            if server is None:
                _require_llama_cpp()
                server = self._servers[path, options] = ServerProcess(path, asdict(options))
            server.revive()
        return Served(f"{server.address}/v1", path.stem, _TIMEOUT, options.slots)

    def close(self) -> None:
        """Stop every server, at once."""
        with self._lock:
            for server in self._servers.values():
                server.close()
            self._servers.clear()


_ENGINE = Engine()
atexit.register(_ENGINE.close)


def endpoint_for(name: str) -> Served:
    """Serve a model, if it is not served yet, and say where.

    Args:
        name: One of `SHIPPED` or `THINKING`, or the path of a GGUF file; options may follow a `?`.

    Raises:
        ConfigurationError: No such model or option, not a GGUF file llama.cpp can serve, or
            llama.cpp is not installed.
    """
    return _ENGINE.endpoint(name)


def served(name: str) -> dict[str, object]:
    """What the address book makes of `embedded:name`: who speaks to the server, and where it is.

    Raises:
        ConfigurationError: See `endpoint_for`.
    """
    return {"provider": "llamacpp", **endpoint_for(name)._asdict()}


def parse_name(name: str) -> tuple[Path, EngineOptions]:
    """The file and the options that *name* stands for.

    Raises:
        ConfigurationError: No such model or option.
    """
    model, _, query = name.partition("?")
    path = _file(model)
    given = asdict(_usual_options(path)) | dict(parse_qsl(query, keep_blank_values=True))
    options = call(EngineOptions, name="embedded", options=given)
    if options.speculate:
        options = replace(options, speculate=str(_file(options.speculate)))
    return path, options


def _file(model: str) -> Path:
    path = (
        MODELS / f"{model}.gguf"
        if model in (*SHIPPED, *THINKING)
        else Path(model).expanduser().resolve()
    )
    if not path.is_file():
        raise ConfigurationError(
            f"embedded:{model} is not there: {path} is no file.",
            expected=f"one of {', '.join((*SHIPPED, *THINKING))}, or the path of a GGUF file",
        )
    return path


def _usual_options(path: Path) -> EngineOptions:
    size = path.stat().st_size
    if size < _SMALL_BYTES:
        return EngineOptions()
    cores = (os.cpu_count() or 1) // 2  # two hyperthreads to a core
    least = _LARGE_CACHE if size > _LARGE_BYTES else _SMALL_CACHE
    cache = min(max(least, 4 * size // 2**20), _MOST_CACHE)
    return EngineOptions(slots=2, threads=min(max(1, cores), _MAX_THREADS), cache_mib=cache)


def _require_llama_cpp() -> None:
    if importlib.util.find_spec("xllamacpp") is None:
        raise ConfigurationError(
            "the embedded engine is not installed.",
            expected="the package xllamacpp (llama.cpp)",
            hint="Run: pip install 'rsd-graph[embedded]'",
        )
