"""A grading process that is killed, as one is where memory is short."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from rsd_graph.lab.grading import verdict
from rsd_graph.lab.question import Question


def grade_plainly(question: Question, answer: str) -> tuple[bool, str | None, str]:
    """Die at the first call, which leaves the file that `TEST_KILLED` names; then grade."""
    killed = Path(os.environ["TEST_KILLED"])
    if not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return verdict.grade_plainly(question, answer)
