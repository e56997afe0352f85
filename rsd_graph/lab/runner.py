"""Every arm on every question: many at once, each answer kept as soon as it is there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rsd_graph.errors import RSDError
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.questions.question import Question

Grade = Callable[[Question, str], Awaitable[dict[str, Any]]]
"""(question, answer text) -> `{"correct": ..., "extracted": ...}` and whatever else it knows."""

Progress = Callable[[Record], None]
"""Called with each finished record."""


@dataclass(frozen=True, slots=True)
class Job:
    """One answer to be made."""

    arm: Arm
    question: Question


async def evaluate(
    arms: Sequence[Arm],
    questions: Sequence[Question],
    journal: Journal,
    grade: Grade,
    *,
    concurrency: int = 32,
    seed: int = 0,
    progress: Progress = lambda record: None,
) -> list[Record]:
    """Answer every question with every arm, *concurrency* at a time, skipping what is journalled.

    An answer that fails is journalled with its error and counts as wrong; it is tried again when
    the run is resumed. Cancelling keeps all finished answers.

    Returns:
        One record per (arm, question), in that order.
    """
    jobs = [Job(arm, question) for arm in arms for question in questions]
    turn = asyncio.Semaphore(concurrency)

    async def work(job: Job) -> None:
        async with turn:
            record = await _answer(job, grade, seed)
        journal.add(record)
        progress(record)

    async with asyncio.TaskGroup() as group:
        for job in jobs:
            if not _is_done(journal, job):
                group.create_task(work(job))
    return [journal.records[job.arm.name, job.question.id] for job in jobs]


def _is_done(journal: Journal, job: Job) -> bool:
    record = journal.records.get((job.arm.name, job.question.id))
    return record is not None and record["error"] is None


async def _answer(job: Job, grade: Grade, seed: int) -> Record:
    started = time.perf_counter()
    try:
        outcome = await job.arm.solve(job.question.text, seed)
        seconds = time.perf_counter() - started
        verdict = await grade(job.question, outcome.text)
    except RSDError as error:
        said = f"{type(error).__name__}: {error}"
        return _record(job, time.perf_counter() - started, None, {"correct": False}, said)
    return _record(job, seconds, outcome, verdict, None)


def _record(
    job: Job, seconds: float, outcome: Outcome | None, verdict: dict[str, Any], error: str | None
) -> Record:
    return {
        "arm": job.arm.name,
        "question": job.question.id,
        "level": job.question.level,
        "text": outcome.text if outcome else "",
        "steps": list(outcome.steps) if outcome else [],
        "ledger": outcome.ledger if outcome else None,
        "finish_reason": outcome.finish_reason if outcome else None,
        "seconds": round(seconds, 4),
        "error": error,
        **verdict,
    }
