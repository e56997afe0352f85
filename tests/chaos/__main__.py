"""The long runs of `make chaos`: python -m tests.chaos PART SIZE [SEED].

Parts: `faults` (how many), `crashes` (SIGKILLs), `load` (minutes).
"""

from __future__ import annotations

import logging
import sys

import structlog

from tests.chaos import long_run, report


def main(name: str, size: str, seed: str = "0") -> int:
    """Run one part; exit 1 if anything was wrong."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    part = {"faults": long_run.run}[name](int(size), int(seed))
    report.keep(name, f"python -m tests.chaos {name} {size} {seed}", part)
    return int(bool(part.violations))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
