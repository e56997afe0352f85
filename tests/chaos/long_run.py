"""The long run of faults: rounds of any setting until enough has gone wrong."""

from __future__ import annotations

import gc
import logging
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.chaos.report import Part
from tests.chaos.rounds import Findings, Setting, play
from tests.chaos.server import WorldServer

_QUIET_SECONDS = 30.0


class Loudspeaker(logging.Handler):
    """Everything that Python or asyncio says when nobody is there to be told."""

    def __init__(self, found: Findings) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    def emit(self, record: logging.LogRecord) -> None:
        """What asyncio logs: a task's error that nobody retrieved, say."""
        error = record.exc_info[1] if record.exc_info else None
        self._found.violations.append(f"asyncio: {error!r} {record.getMessage()[:500]}")

    def listen(self) -> None:
        """To asyncio, to objects that fail as they are collected, and to threads that die."""
        logging.getLogger("asyncio").addHandler(self)
        sys.unraisablehook = lambda e: self._found.violations.append(
            f"{e.exc_value!r} {e.object!r}"
        )
        threading.excepthook = lambda e: self._found.violations.append(
            f"{e.exc_value!r} in a thread"
        )


def run(faults: int, seed: int, stop: threading.Event) -> Part:
    """Rounds until *faults* have been injected, or *stop* is set."""
    dice, found, started = random.Random(seed), Findings(), time.monotonic()
    Loudspeaker(found).listen()
    settings: dict[str, set[Any]] = {}
    with WorldServer(seed) as server:
        play(Setting.drawn(dice), server, 10**9, found)  # what is loaded once is loaded
        opened = _descriptors()
        while server.injected.total() < faults and not stop.is_set():
            setting = Setting.drawn(dice)
            for name, value in (*vars(setting).items(), *vars(setting.stack).items()):
                settings.setdefault(name, set()).add(value)
            play(setting, server, 100 * found.rounds, found)
            _say(found, server, started)
        left = _left_open(server)
        descriptors = _descriptors() - opened
    counts = {
        "faults injected": server.injected.total(),
        "HTTP requests": server.requests,
        "rounds": found.rounds,
        "questions": found.answers,
        "answered, every step the right one": found.errors.pop("none", 0),
        **{f"told as `{name}`": n for name, n in sorted(found.errors.items())},
        **{f"fault: {name.replace('_', ' ')}": n for name, n in sorted(server.injected.items())},
        **{
            f"settings of {name}": ", ".join(sorted(map(str, settings[name])))
            for name in ("draft", "target", "prm", "mode", "lookahead", "hedge", "on_prm_error")
        },
        "connections left open": left,
        "descriptors more than at the beginning": descriptors,
        "violations": len(found.violations),
    }
    return Part(counts, found.violations, time.monotonic() - started)


def _descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def _left_open(server: WorldServer) -> int:
    """Connections that stay when nobody holds a client any more."""
    gc.collect()
    until = time.monotonic() + _QUIET_SECONDS
    while server.open and time.monotonic() < until:
        time.sleep(0.1)
    return server.open


def _say(found: Findings, server: WorldServer, started: float) -> None:
    seconds = time.monotonic() - started
    told = f"{server.injected.total()} faults, {server.requests} requests, {found.rounds} rounds"
    sys.stderr.write(f"{seconds:.0f} s: {told}, {len(found.violations)} violations\n")
    for violation in found.violations[-1:]:
        sys.stderr.write(f"  {violation[:1500]}\n")
