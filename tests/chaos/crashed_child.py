"""A process that runs one command of ours, to be killed at it."""

from __future__ import annotations

import logging
import resource
import sys
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


def command(arguments: Sequence[str], said: str, most_bytes: int | None = None) -> None:
    """Run `rsd-graph` with these arguments; what it says goes to the file *said*.

    Args:
        arguments: Of the command line.
        said: Path of a file for both its outputs.
        most_bytes: How long a file may become: a disk that is full.
    """
    if most_bytes is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with Path(said).open("w", encoding="utf-8") as file:
        sys.stdout = sys.stderr = file
        sys.argv = ["rsd-graph", *arguments]
        sys.exit(main())
