"""The long runs of `make chaos`: python -m tests.chaos PART SIZE [SEED].

Parts: `faults` (how many), `crashes` (SIGKILLs), `bodies` and `fuzz` (for each parser), `load`
(minutes). The seed of `fuzz` and of `load` is the number of the first thing to do.
"""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from tests.chaos import bodies, crashes, load, long_run, report


def main(name: str, size: str, seed: str = "0") -> int:
    """Run one part and keep what each of its seeds found; exit 1 if anything was wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    stop = threading.Event()  # early, after a round, with what has been found
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with tempfile.TemporaryDirectory() as folder:
        parts: dict[str, Callable[[], Iterator[report.Part]]] = {
            "faults": lambda: long_run.run(int(size), int(seed), stop),
            "crashes": lambda: crashes.run(int(size), int(seed), Path(folder), stop),
            "bodies": lambda: bodies.run(int(size), int(seed)),
            "fuzz": lambda: bodies.fuzz(int(size), int(seed), stop),
            "load": lambda: load.run(float(size), int(seed)),
        }
        wrong = 0
        for part in parts[name]():
            report.keep(name, f"python -m tests.chaos {name} {size}", part)
            wrong += len(part.violations)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
