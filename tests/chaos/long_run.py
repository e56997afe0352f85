"""The long run of faults: rounds of any setting until enough has gone wrong."""

from __future__ import annotations

import gc
import logging
import random
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.chaos.report import Part
from tests.chaos.rounds import Findings, Setting, play
from tests.chaos.server import WorldServer

_QUIET_SECONDS = 30.0
_OF_ONE_SEED = 2_500
"""Faults after which what was counted is kept, and the next seed begins."""

_SETTINGS = ("draft", "target", "prm", "mode", "lookahead", "hedge", "on_prm_error", "in_flight")


class Loudspeaker(logging.Handler):
    """Everything that Python or asyncio says when nobody is there to be told."""

    def __init__(self, found: Findings) -> None:
        super().__init__(logging.ERROR)
        self._wrong = found.violations

    def emit(self, record: logging.LogRecord) -> None:
        """What asyncio logs: a task's error that nobody retrieved, say."""
        error = record.exc_info[1] if record.exc_info else None
        self._wrong.append(f"asyncio: {error!r} {record.getMessage()[:500]}")

    def __enter__(self) -> None:
        """Listen to asyncio, to objects that fail as they are collected, to threads that die."""
        logging.getLogger("asyncio").addHandler(self)
        sys.unraisablehook = lambda e: self._wrong.append(f"{e.exc_value!r} {e.object!r}")
        threading.excepthook = lambda e: self._wrong.append(f"{e.exc_value!r} in a thread")

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        logging.getLogger("asyncio").removeHandler(self)
        sys.unraisablehook, threading.excepthook = sys.__unraisablehook__, threading.__excepthook__


def run(faults: int, seed: int, stop: threading.Event) -> Iterator[Part]:
    """Worlds of seeds from *seed* on, until *faults* have been injected or *stop* is set."""
    done = 0
    while done < faults and not stop.is_set():
        part = _one(min(_OF_ONE_SEED, faults - done), seed, stop)
        done += part.counts["faults injected"]
        seed += 1
        yield part


def _one(faults: int, seed: int, stop: threading.Event) -> Part:
    dice, found, started = random.Random(seed), Findings(), time.monotonic()
    settings: dict[str, set[Any]] = {}
    with Loudspeaker(found), WorldServer(seed) as server:
        play(Setting.drawn(dice), server, 10**9, found)  # what is loaded once is loaded
        _left_open(server)
        opened = descriptors()
        while server.injected.total() < faults and not stop.is_set():
            setting = Setting.drawn(dice)
            for name, value in (*vars(setting).items(), *vars(setting.stack).items()):
                settings.setdefault(name, set()).add(str(value))
            play(setting, server, 100 * found.rounds, found)
            _say(found, server, started)
        left = _left_open(server)
        more = descriptors() - opened
    counts = {
        "faults injected": server.injected.total(),
        "HTTP requests": server.requests,
        "rounds": found.rounds,
        "questions": found.answers,
        "answered, every step the right one": found.errors.pop("none", 0),
        **{f"told as `{name}`": n for name, n in sorted(found.errors.items())},
        **{f"fault: {name.replace('_', ' ')}": n for name, n in sorted(server.injected.items())},
        **{f"settings of {name}": sorted(settings[name]) for name in _SETTINGS if name in settings},
        "connections left open": left,
        "descriptors more than at the beginning": more,
    }
    return Part(seed, counts, found.violations, time.monotonic() - started)


def descriptors() -> int:
    """How many this process has open, once what nobody holds is gone."""
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
