"""`rsd-graph split-prm`: a reward model's checkpoint that any vLLM serves with its prefix cache."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def split_prm(
    checkpoint: Annotated[
        Path, typer.Argument(help="Folder of Qwen2.5-Math-PRM or Skywork-o1-Open-PRM.")
    ],
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Divide a reward model into backbone and head, so that vLLM judges the last token only.

    Then each score costs what its newest step costs: vLLM reads its prefix cache. Shards without
    the head are hard links, so this takes little room. Prints how to serve and name the result.
    """
    from rsd_graph.cli.terminal.progress import CopyProgress
    from rsd_graph.stacks import split_prm as work

    with CopyProgress(quiet=quiet) as progress:
        head = work.split_prm(checkpoint, out, progress.add)
    place = out.resolve()
    print(f"vllm serve {shlex.quote(str(place))} --served-model-name prm --runner pooling")
    print(f"prm = {head.family}+vllm+http://HOST:8000/v1#prm")
