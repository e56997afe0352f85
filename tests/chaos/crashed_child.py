"""A process that runs one command of ours, to be killed at it."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
import resource
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

import math_verify  # noqa: F401 (all preloaded: a kill costs no imports)
import structlog

import rsd_graph.cli.batch
import rsd_graph.cli.calibrate
import rsd_graph.cli.eval
import rsd_graph.lab.calibration.calibrate
import rsd_graph.lab.experiment
import rsd_graph.lab.questions.datasets
import rsd_graph.lab.runner
import rsd_graph.providers.prm
import rsd_graph.providers.wires.vllm  # noqa: F401
from rsd_graph.cli import main
from rsd_graph.lab.grading import workers

_DIE_WITH_THE_PARENT = 1
"""PR_SET_PDEATHSIG: what a spawned process notices by itself, since it has no copy of our pipes."""


def command(
    arguments: Sequence[str], said: str, most_bytes: int | None = None, spawns: bool = True
) -> None:
    """Run `rsd-graph` with these arguments; what it says goes to the file *said*.

    Args:
        arguments: Of the command line.
        said: Path of a file for both its outputs.
        most_bytes: How long a file may become: a disk that is full.
        spawns: Whether its grading processes are spawned, or forked, which costs no imports.
    """
    if not spawns:
        fork = multiprocessing.get_context("fork")
        workers.multiprocessing.get_context = lambda _: fork  # type: ignore[assignment,misc]
        workers._start_worker = _start_forked  # type: ignore[assignment]
    if most_bytes is not None:
        sys.dont_write_bytecode = True  # or Python keeps what it could compile only half
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with Path(said).open("w", encoding="utf-8") as file:
        sys.stdout = sys.stderr = file
        sys.argv = ["rsd-graph", *arguments]
        try:
            sys.exit(main())
        except Exception:  # the file is closed when Python would write it there
            traceback.print_exc()
            raise


def _start_forked() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_THE_PARENT, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
