"""The long run of broken bodies: hypothesis drives every parser, without a socket."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.chaos.report import Part
from tests.providers.wires import test_any_answer as parsers


def run(examples: int, seed: int) -> Iterator[Part]:
    """So many broken answers for each wire and PRM, and ten times as many refusals."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"--hypothesis-seed={seed}"]
    environment = {**os.environ, "RSD_EXAMPLES": str(examples)}
    done = subprocess.run(
        [*command, str(parsers.__file__)], env=environment, capture_output=True, text=True
    )
    violations = [done.stdout[-3000:]] if done.returncode else []
    answers = examples * (len(parsers.WIRES) + 2 + len(parsers.PRMS))
    counts = {
        "wires and PRMs": len(parsers.WIRES) + 2 + len(parsers.PRMS),
        "broken answers": answers,
        "broken refusals": 10 * examples,
    }
    yield Part(seed, counts, violations, time.monotonic() - started)
