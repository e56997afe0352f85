"""Evaluations keep what they have, resume where they stopped, and count what failed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError, EndpointConnectionError, PerRole, reward_threshold
from rsd_graph.lab.arms.arm import Arm, Outcome, alone, rsd
from rsd_graph.lab.journal import Journal
from rsd_graph.lab.questions.question import Question
from rsd_graph.lab.report.summary import summarise
from rsd_graph.lab.report.tables import markdown_table
from rsd_graph.lab.runner import evaluate
from tests.helpers.counted_models import stack

QUESTIONS = [Question(f"q/{n}", f"question {n}", "right", "math") for n in range(6)]


async def grade(question: Question, text: str) -> dict[str, Any]:
    return {"correct": "wrong" not in text}


async def test_every_arm_answers_every_question_once(tmp_path: Path) -> None:
    """Records come back in the order of arms and questions, and are all in the journal."""
    arms = [alone(stack(), "draft"), rsd(stack(), reward_threshold(0.7))]

    with Journal(tmp_path / "j.jsonl", {"delta": 0.7}) as journal:
        records = await evaluate(arms, QUESTIONS, journal, grade)

    assert [r["correct"] for r in records] == [False] * 6 + [True] * 6
    lines = (tmp_path / "j.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 12


async def test_a_resumed_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    """Answers in the journal are not made again."""
    asked: list[str] = []
    arm = alone(stack(), "target")

    async def counted(question: str, seed: int) -> Outcome:
        asked.append(question)
        return await arm.solve(question, seed)

    for number in (2, 6):
        with Journal(tmp_path / "j.jsonl", {}) as journal:
            await evaluate([Arm("t", counted)], QUESTIONS[:number], journal, grade)

    assert sorted(asked) == [question.text for question in QUESTIONS]


async def test_a_failed_answer_is_wrong_is_counted_and_is_tried_again(tmp_path: Path) -> None:
    """An endpoint that fails costs one answer, not the run; resuming tries it again."""
    answers = iter([EndpointConnectionError("gone.", role="target")])

    async def flaky(question: str, seed: int) -> Outcome:
        for error in answers:
            raise error
        return await alone(stack(), "target").solve(question, seed)

    with Journal(tmp_path / "j.jsonl", {}) as journal:
        first = await evaluate([Arm("t", flaky)], QUESTIONS[:2], journal, grade, concurrency=1)
        again = await evaluate([Arm("t", flaky)], QUESTIONS[:2], journal, grade)

    assert [r["correct"] for r in first] == [False, True]
    assert summarise(Arm("t", flaky), first, PerRole(1, 1, 1)).failures == 1
    assert [r["correct"] for r in again] == [True, True]


def test_answers_of_another_configuration_are_refused(tmp_path: Path) -> None:
    """Another delta never picks up this one's answers."""
    with Journal(tmp_path / "j.jsonl", {"delta": 0.7}) as journal:
        journal.add({"arm": "a", "question": "q"})

    with pytest.raises(ConfigurationError, match="another configuration"):
        Journal(tmp_path / "j.jsonl", {"delta": 0.8})


def test_a_line_cut_by_a_crash_is_dropped(tmp_path: Path) -> None:
    """Half a line at the end is forgotten, and the journal goes on."""
    path = tmp_path / "j.jsonl"
    with Journal(path, {}) as journal:
        journal.add({"arm": "a", "question": "1"})
    path.write_text(path.read_text() + '{"arm": "a", "quest')

    with Journal(path, {}) as journal:
        journal.add({"arm": "a", "question": "2"})

    assert [json.loads(line).get("question") for line in path.read_text().splitlines()] == [
        None,
        "1",
        "2",
    ]


CRASHING = """
import asyncio, sys
from rsd_graph.lab.arms.arm import alone, Arm
from rsd_graph.lab.runner import evaluate
from rsd_graph.lab.journal import Journal
from tests.helpers.counted_models import stack
from tests.lab.test_runner import QUESTIONS, grade

def told(record):
    print(record["question"], flush=True)
    if len(journal.records) == int(sys.argv[2]):
        sys.stdin.read()  # hold still until killed

with Journal(sys.argv[1], {}) as journal:
    asyncio.run(evaluate([alone(stack(), "draft")], QUESTIONS, journal, grade, progress=told))
"""


def test_kill_dash_nine_loses_nothing(tmp_path: Path) -> None:
    """Killed in the middle and resumed, the results equal those of an uninterrupted run."""
    whole, torn = tmp_path / "whole.jsonl", tmp_path / "torn.jsonl"
    command = [sys.executable, "-c", CRASHING]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    process = subprocess.Popen(
        [*command, torn, "3"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    for path in (torn, whole):
        subprocess.run(
            [*command, path, "99"], env=environment, check=True, stdout=subprocess.DEVNULL
        )

    def results(path: Path) -> list[tuple[Any, ...]]:
        lines = [json.loads(line) for line in path.read_text().splitlines()][1:]
        return sorted((r["question"], r["text"], r["correct"]) for r in lines)

    assert process.returncode == -signal.SIGKILL
    assert len(results(torn)) == len(QUESTIONS)
    assert results(torn) == results(whole)


async def test_a_summary_has_both_accountings(tmp_path: Path) -> None:
    """Accuracy with its interval, and FLOPs per question, decode-only and in full."""
    with Journal(tmp_path / "j.jsonl", {}) as journal:
        arm = rsd(stack(), reward_threshold(0.7))
        records = await evaluate([arm], QUESTIONS, journal, grade)

    row = summarise(arm, records, PerRole(draft=1, target=10, prm=1))

    assert row.accuracy.value == 1.0
    assert row.accuracy.low < 1.0
    # draft 3 x 2 tokens, target 2 tokens, PRM one per scored step
    assert row.decode_only == 2 * (6 * 1 + 2 * 10 + 3 * 1)
    # and all they read: draft 3 x 9, target 9, PRM 3 x 20
    assert row.full == 2 * ((6 + 27) * 1 + (2 + 9) * 10 + 60 * 1)


def test_markdown_tables() -> None:
    """One line per row."""
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
