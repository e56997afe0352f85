"""`rsd-graph batch`: a file of questions, many at once, each answer kept the moment it is there."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli.terminal.flags import OPTIONS, AsJson, System, stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.cli.terminal.batch import Totals

EXIT_CODES = {"max_cost": 3, "max_seconds": 75}
"""By why a batch ended before its time: 75 is the system's word for "try again later"."""


@takes(*OPTIONS)
def batch(
    context: typer.Context,
    questions: Annotated[
        Path,
        typer.Argument(
            help="JSONL, JSON, CSV, Parquet or text; a question, prompt, ... per row; - for stdin. "
            "Or requests in OpenAI's batch format."
        ),
    ],
    answers: Annotated[
        Path | None, typer.Argument(help="Answers are appended here, a JSON object per line.")
    ] = None,
    out_dir: Annotated[
        Path | None,
        typer.Option(help="In place of ANSWERS: a folder, with a file for each shard."),
    ] = None,
    shard: Annotated[
        str, typer.Option(help="i/n: only part i of n, by a hash of each id; from 0/n.")
    ] = "0/1",
    system: System = None,
    concurrency: Annotated[int, typer.Option(help="Answers at a time.", min=1)] = 64,
    limit: Annotated[int | None, typer.Option(help="Only the first so many.", min=1)] = None,
    max_cost: Annotated[
        float | None, typer.Option(help="Begin no more once this file has cost so much.", min=0)
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option(help="Begin no more after so many seconds.", min=0)
    ] = None,
    give_up_after: Annotated[
        int | None, typer.Option(help="Set a question aside that has failed so often.", min=1)
    ] = None,
    ray: Annotated[
        int | None,
        typer.Option(
            help="Have so many actors of Ray answer, each --concurrency at a time.", min=1
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer every question of a file, many at once.

    The same command goes on where it was interrupted or killed, and asks again what failed.
    Several workers share the questions by --shard; merge puts their answers together.
    Exit code 1 if an answer failed, 3 if --max-cost ended it, 75 if --max-seconds did.
    """
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli.terminal.batch import Batch, lines
    from rsd_graph.lab.batch.budget import Budget
    from rsd_graph.lab.batch.shard import Shard

    if (answers is None) == (out_dir is None):
        raise typer.BadParameter("name ANSWERS or --out-dir, one of them")
    part = Shard.parsed(shard)
    path = answers or Path(str(out_dir)) / part.file_name
    options = stack_options(context)
    llm = ChatRSD(**options)
    budget = Budget(max_cost, max_seconds, llm.prices)
    with ExitStack() as held:
        work = Batch.of(questions, held, llm, options, _name(context.params), system, part, limit)
        try:
            found = work.answered(path, budget, concurrency, give_up_after, ray, quiet=as_json)
        except KeyboardInterrupt:
            sys.stderr.write(f"{path} keeps every answer; the same command goes on from there\n")
            raise
    print(json.dumps(found) if as_json else lines(found, llm, path))
    if code := _exit_code(found):
        raise typer.Exit(code)


def _name(given: Mapping[str, Any]) -> str:
    """What requests in OpenAI's format call the model: as `serve` does."""
    from rsd_graph.stacks.config import load_config

    if not given["config"]:
        return "rsd-shipped"
    return given["stack"] or next(iter(load_config(given["config"]).stacks))


def _exit_code(found: Totals) -> int:
    if found["stopped"]:
        return EXIT_CODES[found["stopped"]]
    return 1 if found["failed"] else 0
