"""`rsd-graph batch`: a file of questions, many at once, each answer kept the moment it is there."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NotRequired

import typer
from typing_extensions import TypedDict

from rsd_graph.cli.terminal.flags import OPTIONS, AsJson, System, stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.answer.ledger import Ledger
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.lab.arms.arm import Arm
    from rsd_graph.lab.experiment import Experiment
    from rsd_graph.lab.journal import Judgement, Record
    from rsd_graph.lab.question import Question


@takes(*OPTIONS)
def batch(
    context: typer.Context,
    questions: Annotated[
        Path,
        typer.Argument(
            help="JSONL, JSON, CSV, Parquet or text; a question, prompt, ... per row; - for stdin."
        ),
    ],
    answers: Annotated[
        Path, typer.Argument(help="Answers are appended here, a JSON object per line.")
    ],
    system: System = None,
    concurrency: Annotated[int, typer.Option(help="Answers at a time.", min=1)] = 64,
    limit: Annotated[int | None, typer.Option(help="Only the first so many.", min=1)] = None,
    as_json: AsJson = False,
) -> None:
    """Answer every question of a file, many at once.

    The same command goes on where it was interrupted or killed, and asks again what failed.
    Exit code 1 if an answer is missing.
    """
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli.terminal.questions import note_on_scope, questions_of
    from rsd_graph.lab.experiment import Experiment
    from rsd_graph.lab.questions.rows import read_prompt

    options = stack_options(context)
    asked = questions_of(questions, read_prompt, limit=limit)
    note_on_scope(asked, options)
    llm = ChatRSD(**options)
    experiment = Experiment(options, questions.name, system, options.get("seed", 0))
    try:
        found = asyncio.run(_run(llm, experiment, asked, answers, concurrency, quiet=as_json))
    except KeyboardInterrupt:
        sys.stderr.write(f"{answers} keeps every answer; the same command goes on from there\n")
        raise
    print(json.dumps(found) if as_json else _lines(found, llm, answers))
    if found["failed"]:
        raise typer.Exit(1)


class Totals(TypedDict):
    """Everything the answers of a file came to."""

    answers: int
    failed: int
    first_error: str | None
    steps: int
    acceptance_rate: float | None
    ledger: Ledger
    flops: dict[str, float] | None
    cost: float | None
    cost_if_cached: NotRequired[float]
    already_answered: int
    seconds: float


async def _run(
    llm: ChatRSD,
    experiment: Experiment,
    questions: Sequence[Question],
    answers: Path,
    concurrency: int,
    *,
    quiet: bool,
) -> Totals:
    """Answer what the file does not hold yet; the totals of all of it."""
    from rsd_graph.cli.terminal.progress import BatchProgress
    from rsd_graph.lab.journal import Journal
    from rsd_graph.lab.runner import answer_all

    with (
        Journal(answers, experiment.identity) as book,
        BatchProgress(len(questions), quiet=quiet) as progress,
    ):
        known = book.answers
        for record in known:
            progress.add(record)
        started = time.perf_counter()
        records = await answer_all(
            _arm(llm, experiment.system),
            questions,
            _judge,
            book,
            concurrency=concurrency,
            seed=experiment.seed,
            progress=progress.add,
        )
    return _totals(llm, records, len(known), time.perf_counter() - started)


def _arm(llm: ChatRSD, system: str | None) -> Arm:
    """The chat model's graph as an arm."""
    from rsd_graph.cli.terminal.answer import Answer, answer
    from rsd_graph.lab.arms.arm import Arm

    async def solve(question: str, seed: int) -> Answer:
        return await answer(llm, question, lambda step: None, system=system, seed=seed)

    return Arm("rsd", solve)


async def _judge(question: Question, text: str) -> Judgement:
    """Nobody judges: the record holds the question itself, and the answer's last word."""
    from rsd_graph.cli.terminal.answer import final_answer

    return {"prompt": question.text, "answer": final_answer(text)}


def _totals(llm: ChatRSD, records: Sequence[Record], known: int, seconds: float) -> Totals:
    from functools import reduce

    from rsd_graph.answer.ledger import acceptance_rate, add, empty_ledger, flops
    from rsd_graph.answer.prices import costs

    ledger = reduce(add, (r["ledger"] for r in records if r["ledger"]), empty_ledger())
    errors = [record["error"] for record in records if record["error"]]
    return {
        "answers": len(records) - len(errors),
        "failed": len(errors),
        "first_error": errors[0] if errors else None,
        "steps": sum(len(record["steps"]) for record in records),
        "acceptance_rate": acceptance_rate(ledger),
        "ledger": ledger,
        "flops": flops(ledger, llm.sizes) if llm.sizes else None,
        "already_answered": known,
        "seconds": round(seconds, 2),
        **costs(ledger, llm.prices),
    }


def _lines(found: Totals, llm: ChatRSD, answers: Path) -> str:
    """The totals, for people."""
    from rsd_graph.cli.terminal.screen import spending

    rate, error = found["acceptance_rate"], found["first_error"]
    lines = [
        f"{found['answers']} answers in {answers}, {found['already_answered']} of them from before",
        f"{found['seconds']:.1f} s; {found['steps']} steps"
        + (f", {rate:.0%} of the drafts accepted" if rate is not None else ""),
        *spending(found["ledger"], llm.sizes, llm.prices),
    ]
    if error:
        lines += [f"{found['failed']} failed, and will be asked again; the first with:", error]
    return "\n".join(lines)
