"""`rsd-graph batch`: a file of questions, many at once, each answer kept the moment it is there."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli._options import (
    PRM,
    AsJson,
    Config,
    Delta,
    Draft,
    Hedge,
    Lookahead,
    MaxTokens,
    MaxWaste,
    Stack,
    System,
    Target,
    Temperature,
    stack_options,
)

if TYPE_CHECKING:
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.lab.arms.arm import Arm
    from rsd_graph.lab.journal import Record


def batch(
    context: typer.Context,
    questions: Annotated[
        Path, typer.Argument(help="JSONL, JSON, CSV or Parquet; a question, prompt, ... per row.")
    ],
    answers: Annotated[
        Path, typer.Argument(help="Answers are appended here, a JSON object per line.")
    ],
    config: Config = None,
    stack: Stack = None,
    draft: Draft = None,
    target: Target = None,
    prm: PRM = None,
    delta: Delta = None,
    temperature: Temperature = None,
    max_tokens: MaxTokens = None,
    system: System = None,
    seed: Annotated[int, typer.Option(help="Repeats the same random choices.")] = 0,
    lookahead: Lookahead = None,
    max_waste: MaxWaste = None,
    hedge: Hedge = None,
    concurrency: Annotated[int, typer.Option(help="Answers at a time.", min=1)] = 64,
    limit: Annotated[int | None, typer.Option(help="Only the first so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer every question of a file, many at once.

    The same command goes on where it was interrupted or killed, and asks again what failed.
    Exit code 1 if an answer is missing.
    """
    asked = {"questions": questions, "limit": limit, "seed": seed, "system": system}
    from rsd_graph.chat_models import ChatRSD

    options = stack_options(context)
    llm = ChatRSD(**options)
    try:
        found = asyncio.run(_run(llm, options, asked, answers, concurrency, quiet=as_json))
    except KeyboardInterrupt:
        sys.stderr.write(f"{answers} keeps every answer; the same command goes on from there\n")
        raise
    print(json.dumps(found) if as_json else _lines(found, llm, answers))
    if found["failed"]:
        raise typer.Exit(1)


async def _run(
    llm: ChatRSD,
    options: dict[str, Any],
    asked: dict[str, Any],
    answers: Path,
    concurrency: int,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Answer what the file does not hold yet; the totals of all of it."""
    from rsd_graph.cli._progress import BatchProgress
    from rsd_graph.lab.experiment import Models, decisive
    from rsd_graph.lab.journal import Journal
    from rsd_graph.lab.questions.datasets import load_dataset
    from rsd_graph.lab.runner import evaluate

    questions = load_dataset(asked["questions"], limit=asked["limit"], open_ended=True)
    settings = decisive(Models(options, asked["system"]), asked["questions"].name, asked["seed"])
    with Journal(answers, settings) as book, BatchProgress(len(questions), quiet=quiet) as progress:
        known = book.answers
        for record in known:
            progress.add(record)
        started = time.perf_counter()
        records = await evaluate(
            [_arm(llm, asked["system"])],
            questions,
            book,
            _final,
            concurrency=concurrency,
            seed=asked["seed"],
            progress=progress.add,
        )
    seconds = round(time.perf_counter() - started, 2)
    return _totals(llm, records) | {"already_answered": len(known), "seconds": seconds}


def _arm(llm: ChatRSD, system: str | None) -> Arm:
    """The chat model's graph, as the harness asks it."""
    from rsd_graph.cli._answer import answer
    from rsd_graph.lab.arms.arm import Arm, Outcome

    async def solve(question: str, seed: int) -> Outcome:
        found = await answer(llm, question, lambda step: None, system=system, seed=seed)
        return Outcome(found.text, found.steps, found.ledger, found.finish_reason)

    return Arm("rsd", solve)


async def _final(question: Any, text: str) -> dict[str, Any]:
    """What the record holds beside the answer: the question itself, and the answer's last word."""
    from rsd_graph.cli._answer import final_answer

    return {"prompt": question.text, "answer": final_answer(text)}


def _totals(llm: ChatRSD, records: Sequence[Record]) -> dict[str, Any]:
    """Everything the answers cost."""
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
        **costs(ledger, llm.prices),
    }


def _lines(found: dict[str, Any], llm: ChatRSD, answers: Path) -> str:
    """The totals, for people."""
    from rsd_graph.cli._show import spending

    rate = found["acceptance_rate"]
    lines = [
        f"{found['answers']} answers in {answers}, {found['already_answered']} of them from before",
        f"{found['seconds']:.1f} s; {found['steps']} steps"
        + (f", {rate:.0%} of the drafts accepted" if rate is not None else ""),
        *spending(found["ledger"], llm.sizes, llm.prices),
    ]
    if found["failed"]:
        lines.append(f"{found['failed']} failed, and will be asked again; the first with:")
        lines.append(found["first_error"])
    return "\n".join(lines)
