"""Serve one GGUF file with llama.cpp until standard input closes. `engine` starts this as a script.

A process of its own, because llama.cpp's server cannot be ended safely inside its caller's: its
destructor waits for clients that are still connected while it holds the interpreter's lock, and
without the destructor a busy server crashes the process at its exit (xllamacpp 2026.10).

Takes one JSON object as its argument, writes one JSON line: `{"address": ...}` or `{"error": ...}`.
"""

import json
import os
import re
import signal
import sys
import tempfile
import time
from typing import IO, Any

_ERRORS_ONLY = 1
_HTTP_THREADS = 128
"""An idle keep-alive connection holds a thread for five seconds; an idle thread costs nothing."""
_PROMPT_CACHE_MIB = 256
"""Prompts that lost their slot to another answer wait here, instead of being read again."""


def main() -> None:
    """Serve, say where, and stay until the caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, who then closes stdin
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            server = _serve(json.loads(sys.argv[1]))
            reply = {"address": server.listening_address}
        except RuntimeError:
            reply = {"error": _reason(log)}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stdout.write(json.dumps(reply) + "\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    os._exit(0)


def _serve(options: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = options["path"]
    params.model_alias = {options["name"]}
    params.hostnames, params.port = ["127.0.0.1"], options["port"]
    params.n_parallel = options["slots"]
    params.n_ctx = options["slots"] * options["context"]  # llama.cpp divides it among the slots
    params.n_gpu_layers = options["gpu_layers"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = options["threads"]
    if options["speculate"]:
        _speculate(params.speculative, options)
    params.n_threads_http = _HTTP_THREADS
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.verbosity = _ERRORS_ONLY
    params.offline, params.ui, params.endpoint_slots = True, False, False
    params.cors_origins = "http://localhost"  # no web page may talk to it
    return xllamacpp.Server(params)


def _speculate(speculative: Any, options: dict[str, Any]) -> None:
    """Let a second model draft tokens, for the first to check."""
    from xllamacpp import common_speculative_type

    speculative.types = [common_speculative_type.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    draft = speculative.draft
    draft.mparams.path = options["speculate"]
    draft.n_gpu_layers = options["gpu_layers"]
    draft.cpuparams.n_threads = draft.cpuparams_batch.n_threads = options["threads"]


def _reason(log: IO[bytes]) -> str:
    """The first error llama.cpp logged, without its timestamp: later ones only repeat it.

    A thread of its own writes that log, a little later.
    """
    for _ in range(20):
        log.seek(0)
        if found := re.search(rb"^[\d.]+ E (.+)$", log.read(), re.MULTILINE):
            return found[1].decode(errors="replace").strip()
        time.sleep(0.05)
    return "llama.cpp did not say why"


if __name__ == "__main__":
    main()
