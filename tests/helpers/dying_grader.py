"""A grading process that is killed, as one is where memory is short."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from rsd_graph.lab.grading import verdict
from rsd_graph.lab.question import Question


def grade_plainly(question: Question, answer: str) -> tuple[bool, str | None, str]:
    """Die at the first `TEST_KILLS` calls, counted in the file `TEST_KILLED`; then grade."""
    killed = Path(os.environ["TEST_KILLED"])
    count = len(killed.read_text()) if killed.exists() else 0
    if count < int(os.environ["TEST_KILLS"]):
        killed.write_text("x" * (count + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return verdict.grade_plainly(question, answer)
