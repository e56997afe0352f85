"""Serve one GGUF file with llama.cpp until the caller is gone. `engine` starts this as a script.

A process of its own, because llama.cpp's server cannot be ended safely inside its caller's: its
destructor waits for clients that are still connected while it holds the interpreter's lock, and
without the destructor a busy server crashes the process at its exit (xllamacpp 2026.10).

Takes one JSON object as its argument, writes one JSON line: `{"address": ...}` or `{"error": ...}`.
"""

import json
import os
import re
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from typing import IO, Any

_ERRORS_ONLY = 1
_HTTP_THREADS = 128
"""An idle keep-alive connection holds a thread for five seconds; an idle thread costs nothing."""


def main() -> None:
    """Serve, say where, and stay until the caller is gone."""
    options = json.loads(sys.argv[1])
    _end_with(options["caller"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the caller, who then closes stdin
    try:
        _server, reply = _started(options)  # which runs as long as somebody holds it
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()
        sys.stdin.buffer.read()
    finally:
        os._exit(0)


def _end_with(caller: int) -> None:
    """End this process once the caller is gone, even while llama.cpp reads a large file.

    That holds the interpreter's lock, so nothing written in Python would notice. On Linux the
    kernel does: when the other end of standard input closes it sends SIGIO, which ends a process
    that does not handle it. (PR_SET_PDEATHSIG would not do: it is about the thread that started
    us.) A child that the caller forked may hold that end open: then the parent's number tells.
    """
    if sys.platform == "linux":
        import fcntl

        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
        if select.select([0], [], [], 0)[0]:  # gone before we could ask for the signal
            os._exit(0)
    threading.Thread(target=_end_without_parent, args=[caller], daemon=True).start()


def _end_without_parent(caller: int) -> None:
    while os.getppid() == caller:
        time.sleep(1)
    os._exit(0)


def _started(options: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    """The server, and where it listens; or no server, and why."""
    if _is_taken(options["port"]):
        return None, {"error": f"port {options['port']} is taken"}
    server = None
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            server = _serve(options)
            reply = {"address": server.listening_address}
        except RuntimeError:
            reply = {"error": _reason(log)}
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    return server, reply


def _is_taken(port: int) -> bool:
    """Whether somebody listens there already: asked before a model is read for minutes."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


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
    params.cache_ram_mib = options["cache_mib"]
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
