"""Asking the questions of a batch: some at a time, each answer on disk as soon as it is there."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass

from rsd_graph.errors import RSDError
from rsd_graph.lab.batch.answers import Answers
from rsd_graph.lab.batch.budget import Budget, Reason
from rsd_graph.lab.concurrency import each_of
from rsd_graph.lab.journal import Record
from rsd_graph.lab.question import Question

Ask = Callable[[Question], Awaitable[Record]]
"""The answer to a question; an error of ours is raised, not recorded."""

Progress = Callable[[Record], None]
"""Hears of each record once it is kept."""

ARM = "rsd"
"""What the records of a batch call their arm."""


def blank_record(question: Question) -> Record:
    """A record of nothing but the question."""
    return Record(
        arm=ARM,
        question=question.id,
        level=None,
        text="",
        steps=[],
        ledger=None,
        finish_reason=None,
        seconds=0.0,
        error=None,
        prompt=question.text,
    )


async def attempt(ask: Ask, question: Question) -> Record:
    """The record of one question; of a failure, with its error and what it had cost."""
    started = time.perf_counter()
    try:
        record = await ask(question)
    except RSDError as error:
        record = blank_record(question)
        record["error"], record["spent"] = f"{type(error).__name__}: {error}", error.ledger
    record["seconds"] = round(time.perf_counter() - started, 4)
    return record


@dataclass(slots=True)
class Open:
    """The questions that are still to be asked, as long as there is budget.

    Attributes:
        questions: All of them.
        answers: What is known of them.
        budget: When to stop.
        give_up_after: A question that has failed so often is asked no more.
        stopped: Why the iteration ended before its time, if it did.
    """

    questions: Iterable[Question]
    answers: Answers
    budget: Budget
    give_up_after: int | None = None
    stopped: Reason | None = None

    def __iter__(self) -> Iterator[Question]:
        tally = self.answers.tally
        for question in self.questions:
            if tally.holds_answer(question.id) or self._is_set_aside(question):
                continue
            self.stopped = self.budget.spent(tally.ledger)
            if self.stopped:
                return
            yield question

    def _is_set_aside(self, question: Question) -> bool:
        most = self.give_up_after
        return most is not None and self.answers.tally.tries_of(question.id) >= most


async def answer_open(asked: Open, ask: Ask, *, concurrency: int, progress: Progress) -> None:
    """Ask what is open, *concurrency* questions at a time. Cancelling keeps all finished answers.

    Raises:
        ConfigurationError: The answers cannot be written; all that are in the file are kept.
    """

    async def work(question: Question) -> None:
        record = await attempt(ask, question)
        asked.answers.add(record)
        progress(record)

    await each_of(concurrency, work, asked)
