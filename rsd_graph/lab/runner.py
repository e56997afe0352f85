"""One arm on every question: many at once, each answer kept as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rsd_graph.errors import RSDError
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.concurrency import at_most
from rsd_graph.lab.exam import CheckSteps, Grade
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.question import Question

Progress = Callable[[Record], None]
"""Called with each finished record."""


async def answer_all(
    arm: Arm,
    questions: Sequence[Question],
    grade: Grade,
    journal: Journal,
    *,
    concurrency: int = 32,
    seed: int = 0,
    progress: Progress = lambda record: None,
    check_steps: CheckSteps | None = None,
) -> list[Record]:
    """Answer every question, *concurrency* at a time, skipping what is journalled.

    An answer that fails is journalled with its error and counts as wrong; it is tried again when
    the run is resumed. Cancelling keeps all finished answers.

    Returns:
        One record per question, in their order.

    Raises:
        ConfigurationError: The journal cannot be written; all answers in it are kept.
    """

    async def work(question: Question) -> None:
        record = await _answer(arm, question, grade, seed)
        mistakes = check_steps(question, record["steps"]) if check_steps else None
        if mistakes and record["error"] is None:
            record["prm_mistakes"] = mistakes
        journal.add(record)
        progress(record)

    missing = (q for q in questions if not journal.holds_answer(arm.name, q.id))
    await at_most(concurrency, work, missing)
    return [journal.records[arm.name, question.id] for question in questions]


async def _answer(arm: Arm, question: Question, grade: Grade, seed: int) -> Record:
    record = Record(
        arm=arm.name,
        question=question.id,
        level=question.level,
        text="",
        steps=[],
        delta=arm.delta,
        ledger=None,
        finish_reason=None,
        seconds=0.0,
        error=None,
    )
    started = time.perf_counter()
    try:
        outcome = await arm.solve(question.text, seed)
        record["seconds"] = round(time.perf_counter() - started, 4)
        found = await grade(question, outcome.text)
    except RSDError as error:
        record["seconds"] = round(time.perf_counter() - started, 4)
        return {**record, "error": f"{type(error).__name__}: {error}", "correct": False}
    record["text"], record["steps"] = outcome.text, list(outcome.steps)
    record["ledger"], record["finish_reason"] = outcome.ledger, outcome.finish_reason
    return {**record, **found}
