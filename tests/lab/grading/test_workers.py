"""The pool: order, both verdicts, and answers that hang SymPy."""

from __future__ import annotations

import asyncio
import os
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("math_verify")
pytest.importorskip("pebble")

from pebble import ProcessExpired

from rsd_graph.errors import ConfigurationError, InputError
from rsd_graph.lab import Grader, Question, Verdict
from rsd_graph.lab.grading import workers
from rsd_graph.lab.grading.workers import Tasks
from tests.chaos.killed_jobs import graders_of
from tests.helpers import dying_grader

TOWER = "\\boxed{9^{9^{9^9}}}"
"""SymPy never finishes comparing it, and no signal handler gets a turn while it tries."""


def question(gold: str) -> Question:
    return Question("q/0", "What?", gold, "math")


async def test_verdicts_come_in_order_and_a_hanging_answer_is_killed() -> None:
    """The hang is graded wrong with the reason "timeout"; its neighbours are graded as usual."""
    answers = [(question(str(n)), f"\\boxed{{{n % 3}}}") for n in range(6)]

    with Grader(processes=2, timeout_s=2.0) as grader:
        verdicts = grader.grade_all([*answers[:3], (question("5"), TOWER), *answers[3:]])
        awaited = await grader.agrade(question("\\frac12"), "\\boxed{0.5}")

    assert [v.correct for v in verdicts] == [True, True, True, False, False, False, False]
    assert verdicts[3] == Verdict(False, paper_correct=False, extracted=None, reason="timeout")
    assert verdicts[4] == Verdict(False, paper_correct=False, extracted="0", reason="mismatch")
    assert awaited == Verdict(True, paper_correct=True, extracted="0.5", reason="match")


async def test_a_killed_process_says_nothing_about_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is graded once more, by the process that took its place."""
    monkeypatch.setenv("TEST_KILLED", str(tmp_path / "killed"))
    monkeypatch.setattr(workers, "grade_plainly", dying_grader.grade_plainly)

    with Grader(processes=1) as grader:
        verdict = await grader.agrade(question("4"), "\\boxed{4}")

    assert (verdict.correct, verdict.reason) == (True, "match")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are read from /proc")
async def test_a_process_that_is_killed_idle_is_replaced() -> None:
    """Its pool is given up and another takes its place: nobody is told, and nothing is lost."""
    with Grader(processes=1) as grader:
        first = await grader.agrade(question("4"), "\\boxed{4}")
        for pid in graders_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        while grader._pool is not None and grader._pool.active:
            await asyncio.sleep(0)
        second = await grader.agrade(question("5"), "\\boxed{5}")

    assert [first.correct, second.correct] == [True, True]


class Pool:
    """In place of pebble's."""

    def __init__(self, *, active: bool = True) -> None:
        self.active = active


@pytest.mark.parametrize("is_sync", [False, True])
async def test_an_answer_that_a_broken_pool_has_lost_is_graded_again(
    is_sync: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that pebble was taking from its queue when it broke never ends: it is given up."""
    right: Future[Any] = Future()
    right.set_result((True, "4", "match"))
    script = iter([Tasks(Pool(active=False), Future(), Future()), Tasks(Pool(), right, right)])
    monkeypatch.setattr(Grader, "_submit", lambda *_: next(script))
    monkeypatch.setattr(workers, "_LOOK_S", 0.01)

    if is_sync:
        (verdict,) = Grader().grade_all([(question("4"), "4")])
    else:
        verdict = await Grader().agrade(question("4"), "4")

    assert (verdict.correct, verdict.reason) == (True, "match")


def test_an_answer_that_kills_every_process_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried twice, and its reason says what happened; its neighbour is graded as usual."""
    dead: Future[Any] = Future()
    dead.set_exception(ProcessExpired("Abnormal termination"))
    right: Future[Any] = Future()
    right.set_result((True, "4", "match"))
    script = iter([(dead, right), (right, right), (dead, right)])
    monkeypatch.setattr(Grader, "_submit", lambda *_: Tasks(Pool(), *next(script)))

    verdicts = Grader().grade_all([(question("4"), "kills"), (question("4"), "4")])

    assert [v.correct for v in verdicts] == [False, True]
    assert verdicts[0].reason == "grading broke: Abnormal termination"
    assert list(script) == []


def test_open_questions_are_refused_before_they_are_queued() -> None:
    """The error reaches the caller, not a worker."""
    with Grader(processes=1) as grader, pytest.raises(InputError, match="no gold answer"):
        grader.grade_all([(Question("q/0", "Write.", None, "open"), "text")])


@pytest.mark.parametrize(("processes", "timeout_s"), [(0, 1.0), (1, 0.0)])
def test_impossible_settings_are_refused(processes: int, timeout_s: float) -> None:
    """A pool of nobody would wait forever."""
    with pytest.raises(ConfigurationError, match="cannot work"):
        Grader(processes=processes, timeout_s=timeout_s)


def test_a_grader_grades_inside_its_block() -> None:
    """Before it there is no process to ask."""
    with pytest.raises(ConfigurationError, match="inside its with block"):
        Grader().grade_all([(question("5"), "5")])
