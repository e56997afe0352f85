"""One GGUF file served in a process of its own, and in another one when that dies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from rsd_graph.errors import ConfigurationError

_HOST = Path(__file__).with_name("host.py")


class ServerProcess:
    """llama.cpp's server for one file, at one address for as long as it is wanted.

    A process that is killed, short of memory say, fails the requests it was at work on, and is
    started again where it listened: whoever holds its address is answered again.

    Args:
        path: The file.
        options: As `EngineOptions` has them.

    Attributes:
        address: Where it listens.

    Raises:
        ConfigurationError: The file cannot be served.
    """

    def __init__(self, path: Path, options: Mapping[str, object]) -> None:
        self._path = path
        self._options = options
        self._lock = threading.Lock()
        self._is_wanted = True
        self._start(options)
        threading.Thread(target=self._keep, name="rsd-graph-engine", daemon=True).start()

    def _start(self, options: Mapping[str, object]) -> None:
        caller = {"caller": os.getpid(), "path": str(self._path), "name": self._path.stem}
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_HOST), json.dumps({**options, **caller})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            self.address = self._listening()
        except BaseException:  # Ctrl-C, too, while the model is read
            self._end()
            raise

    def _listening(self) -> str:
        """Its address, once it is ready."""
        assert self._process.stdout is not None
        reply = json.loads(self._process.stdout.readline() or '{"error": "llama.cpp crashed"}')
        if "error" in reply:
            raise ConfigurationError(
                f"{self._path} cannot be served: {reply['error']}.",
                expected="a GGUF file of a text model, and a free port; port=0 takes any",
            )
        return str(reply["address"])

    def _keep(self) -> None:
        """Start it again whenever it dies; one that cannot be started is left to `revive`."""
        while self._is_wanted:
            self._process.wait()
            try:
                self.revive()
            except ConfigurationError:
                return

    def revive(self) -> None:
        """Start it where it listened, if it has died; elsewhere if somebody else listens there.

        To a forked process its parent's server is as good as dead: it gets one of its own.

        Raises:
            ConfigurationError: The file cannot be served any more, or the port it must have is
                somebody else's.
        """
        with self._lock:
            if not self._is_wanted or self._process.poll() is None:
                return
            self._end()
            try:
                self._start({**self._options, "port": urlsplit(self.address).port})
            except ConfigurationError:
                self._start(self._options)

    def close(self) -> None:
        """End it, whatever it is doing; it has nothing to save."""
        self._is_wanted = False
        self._process.kill()  # one that is being started, too
        with self._lock:
            self._end()

    def _end(self) -> None:
        self._process.kill()
        with self._process:  # closes the pipes and waits
            pass
