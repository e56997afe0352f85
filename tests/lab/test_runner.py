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

from rsd_graph import ConfigurationError, EndpointConnectionError
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.journal import Journal, Judgement
from rsd_graph.lab.question import Question
from rsd_graph.lab.runner import answer_all
from tests.helpers.counted_models import setup

QUESTIONS = [Question(f"q/{n}", f"question {n}", "right", "math") for n in range(6)]


async def grade(question: Question, text: str) -> Judgement:
    return {"correct": "wrong" not in text}


async def test_an_arm_answers_every_question_once(tmp_path: Path) -> None:
    """Records come back in the order of the questions, and are all in the journal."""
    with Journal(tmp_path / "j.jsonl", {"delta": 0.7}) as journal:
        records = await answer_all(alone(setup(), "draft"), QUESTIONS, grade, journal)

    assert [r["question"] for r in records] == [question.id for question in QUESTIONS]
    assert [r["correct"] for r in records] == [False] * 6
    lines = (tmp_path / "j.jsonl").read_text().splitlines()
    assert len(lines) == 1 + 6


async def test_a_resumed_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    """Answers in the journal are not made again."""
    asked: list[str] = []
    arm = alone(setup(), "target")

    async def counted(question: str, seed: int) -> Outcome:
        asked.append(question)
        return await arm.solve(question, seed)

    for number in (2, 6):
        with Journal(tmp_path / "j.jsonl", {}) as journal:
            await answer_all(Arm("t", counted), QUESTIONS[:number], grade, journal)

    assert sorted(asked) == [question.text for question in QUESTIONS]


async def test_a_failed_answer_is_wrong_is_counted_and_is_tried_again(tmp_path: Path) -> None:
    """An endpoint that fails costs one answer, not the run; resuming tries it again."""
    answers = iter([EndpointConnectionError("gone.", role="target")])

    async def flaky(question: str, seed: int) -> Outcome:
        for error in answers:
            raise error
        return await alone(setup(), "target").solve(question, seed)

    with Journal(tmp_path / "j.jsonl", {}) as journal:
        first = await answer_all(Arm("t", flaky), QUESTIONS[:2], grade, journal, concurrency=1)
        again = await answer_all(Arm("t", flaky), QUESTIONS[:2], grade, journal)

    assert [r["correct"] for r in first] == [False, True]
    assert first[0]["error"] == "EndpointConnectionError: target: gone."
    assert [r["correct"] for r in again] == [True, True]


CRASHING = """
import asyncio, sys
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.runner import answer_all
from rsd_graph.lab.journal import Journal
from tests.helpers.counted_models import setup
from tests.lab.test_runner import QUESTIONS, grade

def told(record):
    print(record["question"], flush=True)
    if len(journal.records) == int(sys.argv[2]):
        sys.stdin.read()  # hold still until killed

with Journal(sys.argv[1], {}) as journal:
    asyncio.run(answer_all(alone(setup(), "draft"), QUESTIONS, grade, journal, progress=told))
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


async def test_a_disk_that_fills_up_stops_the_run_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One error of ours, not one for each answer; nobody is asked in vain, and all is resumed."""
    path, asked = tmp_path / "j.jsonl", []

    async def solve(question: str, seed: int) -> Outcome:
        asked.append(question)
        return await alone(setup(), "target").solve(question, seed)

    with Journal(path, {}) as journal:
        await answer_all(Arm("t", solve), QUESTIONS[:2], grade, journal)
        with monkeypatch.context() as full:
            full.setattr(journal, "add", no_space)
            with pytest.raises(ConfigurationError, match="No space left"):
                await answer_all(Arm("t", solve), QUESTIONS, grade, journal, concurrency=1)
        asked_for = len(asked)
        records = await answer_all(Arm("t", solve), QUESTIONS, grade, journal)

    assert asked_for == 3
    assert len(asked) == 3 + 4
    assert [r["correct"] for r in records] == [True] * 6


def no_space(record: object) -> None:
    raise ConfigurationError("No space left on device.")
