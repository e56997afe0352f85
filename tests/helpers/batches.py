"""A batch over models that can be reasoned about: questions, answers and how often they failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.errors import EndpointConnectionError
from rsd_graph.lab.batch.answers import Answers
from rsd_graph.lab.batch.budget import Budget
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.source import Source
from rsd_graph.lab.batch.work import Ask, Open, answer_open, blank_record
from rsd_graph.lab.journal import Record
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.files import Located

CONFIG = {"delta": 0.7}


def source(count: int, shard: Shard = Shard()) -> Source:  # noqa: B008 (a frozen value)
    """Questions 0, 1, 2, ... with ids of their own."""

    def rows() -> Iterable[Located]:
        return (Located(f"row {n}", {"id": n, "prompt": f"question {n}"}) for n in range(count))

    return Source("q", rows, shard=shard)


async def echo(question: Question) -> Record:
    """Its own question, at the price of ten target tokens."""
    record = blank_record(question)
    record["text"] = record["answer"] = question.text.upper()
    record["ledger"] = add(empty_ledger(), {"target": usage(completion_tokens=10)})
    return record


def failing_on(*numbers: int) -> Ask:
    """The same, but for these questions, whose endpoint is gone after five target tokens."""

    async def ask(question: Question) -> Record:
        if int(question.id.partition("/")[2]) in numbers:
            error = EndpointConnectionError("gone.", role="target")
            error.ledger = add(empty_ledger(), {"target": usage(completion_tokens=5)})
            raise error
        return await echo(question)

    return ask


async def run(
    path: Path,
    asked: Source,
    ask: Ask = echo,
    *,
    budget: Budget | None = None,
    give_up_after: int | None = None,
    concurrency: int = 4,
    then: Callable[[Answers, Open], object] = lambda answers, work: None,
) -> Answers:
    """Answer *asked* into *path*, as the command does, and hand both to *then* before it closes."""
    with Answers(path, CONFIG, asked.shard, sum(1 for _ in asked)) as answers:
        work = Open(asked, answers, budget or Budget(), give_up_after)
        await answer_open(work, ask, concurrency=concurrency, progress=lambda record: None)
        then(answers, work)
    return answers
