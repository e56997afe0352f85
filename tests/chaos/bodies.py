"""The long runs of broken bodies: hypothesis and atheris drive every parser, without a socket."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.report import Part
from tests.providers.wires import test_any_answer as parsers


@dataclass(frozen=True)
class Target:
    """A property test, the case of it, and the right answers to it, by route."""

    test: Any
    case: Mapping[str, str]
    answers: Mapping[str, Any]


WIRE = parsers.test_a_wire_gives_a_candidate_or_an_error_of_ours
CHAT = parsers.test_a_chat_gives_a_candidate_or_an_error_of_ours
PRM = parsers.test_a_prm_gives_rewards_or_an_error_of_ours

TARGETS: Mapping[str, Target] = {
    **{
        name: Target(WIRE, {"name": name}, parsers.own_answers(name, make()))
        for name, make in parsers.WIRES.items()
    },
    **{kind: Target(CHAT, {"kind": kind}, parsers.CHAT_ANSWERS) for kind in ("step", "action")},
    **{
        f"{name} as a reward model": Target(PRM, {"name": name}, answers)
        for name, answers in parsers.PRM_ANSWERS.items()
    },
}


def run(examples: int, seed: int) -> Iterator[Part]:
    """So many broken answers for each wire and PRM, and ten times as many refusals."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-x", f"--hypothesis-seed={seed}"]
    environment = {**os.environ, "RSD_EXAMPLES": str(examples)}
    done = subprocess.run(
        [*command, str(parsers.__file__)], env=environment, capture_output=True, text=True
    )
    violations = [done.stdout[-3000:]] if done.returncode else []
    counts = {
        "wires and PRMs": len(TARGETS),
        "broken answers": examples * len(TARGETS),
        "broken refusals": 10 * examples,
    }
    yield Part(seed, counts, violations, time.monotonic() - started)


def fuzz(times: int, first: int, stop: threading.Event) -> Iterator[Part]:
    """So many answers for each target from the *first* on, led by the branches they reach.

    Its seed is the target's number. No further target is begun once *stop* is set.
    """
    for number, name in list(enumerate(TARGETS))[first:]:
        if stop.is_set():
            return
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            options = (f"-runs={times}", "-max_len=1024", "-print_final_stats=1")
            command = [sys.executable, "-m", "tests.chaos.fuzz_child", name, folder, *options]
            kept = f"-artifact_prefix={folder}/"
            done = subprocess.run([*command, kept], capture_output=True, text=True)
        found = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        counts = {"targets": [name], "answers tried": int(found[1]) if found else 0}
        violations = [f"{name}: {done.stderr[-3000:]}"] if done.returncode or not found else []
        yield Part(number, counts, violations, time.monotonic() - started)
