"""`rsd-graph merge`: the shards of a batch, as one file of answers."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from rsd_graph.cli.terminal.flags import AsJson


def merge(
    shards: Annotated[
        list[Path], typer.Argument(help="The folder that batch --out-dir wrote, or its files.")
    ],
    out: Annotated[
        Path, typer.Option(help="All answers: JSONL, or Parquet if its name ends in .parquet.")
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="Although shards are missing or not done.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Merge the shards of a batch into one file, written whole or not at all.

    All of them must be there, done, and of one configuration, and no question in two of them.
    Requests in OpenAI's batch format are answered in it, too. A question that failed or was set
    aside is in the file with its error. Exit code 1 if there is one.
    """
    from rsd_graph.lab.batch.merge import Parts
    from rsd_graph.lab.batch.written import write_merged

    with ExitStack() as held:
        parts = Parts.opened(shards, held, partial=partial)
        write_merged(parts, out)
        found = {
            "shards": len(parts.parts),
            "answers": sum(len(part.tally.answered) for part in parts.parts),
            "failed": sum(len(part.tally.tries) for part in parts.parts),
            "left": sum(part.missing for part in parts.parts),
        }
    told = "{answers} answers of {shards} shards in {out}; {failed} failed, {left} were not asked"
    print(json.dumps(found) if as_json else told.format(**found, out=out))
    if found["failed"] or found["left"]:
        raise typer.Exit(1)
