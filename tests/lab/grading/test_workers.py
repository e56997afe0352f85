"""The pool: order, both verdicts, and answers that hang SymPy."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("math_verify")
pytest.importorskip("pebble")

from rsd_graph.errors import ConfigurationError, InputError
from rsd_graph.lab import Grader, Question, Verdict
from rsd_graph.lab.grading import workers
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


@pytest.mark.parametrize("kills", [1, 9])
async def test_a_killed_process_says_nothing_about_the_answer(
    kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is graded once more; one that kills every process is wrong, and says why."""
    monkeypatch.setenv("TEST_KILLS", str(kills))
    monkeypatch.setenv("TEST_KILLED", str(tmp_path / "killed"))
    monkeypatch.setattr(workers, "grade_plainly", dying_grader.grade_plainly)

    with Grader(processes=1) as grader:
        verdict = await grader.agrade(question("4"), "\\boxed{4}")
        (other,) = grader.grade_all([(question("4"), "\\boxed{5}")])

    assert (verdict.correct, other.correct) == (kills == 1, False)
    assert (verdict.reason, other.reason) == {
        1: ("match", "mismatch"),
        9: ("grading broke: Abnormal termination", "grading broke: Abnormal termination"),
    }[kills]


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
