"""The options that several commands share, each described once."""

from __future__ import annotations

from typing import Annotated, Any

import typer

_ENDPOINT = "Endpoint string, such as vllm+http://host:8000/v1#model or embedded:/path.gguf."


def parse_lookahead(text: str) -> int | str:
    """A number of steps, or "auto"."""
    if text == "auto":
        return text
    if text.isdecimal():
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither auto nor a number.")


Config = Annotated[str | None, typer.Option(help="A TOML file of stacks.")]
Stack = Annotated[str | None, typer.Option(help="Which stack of the file.")]
Draft = Annotated[str | None, typer.Option(help=_ENDPOINT)]
Target = Annotated[str | None, typer.Option(help=_ENDPOINT)]
PRM = Annotated[
    str | None, typer.Option(help="The same, after the PRM's family: qwen-prm+vllm+http://...")
]
Delta = Annotated[
    float | None, typer.Option(help="Accept a draft step iff its reward >= delta (0.7).")
]
Temperature = Annotated[float | None, typer.Option(help="0, the usual one, is greedy.")]
MaxTokens = Annotated[int | None, typer.Option(help="Tokens of a whole answer.")]
System = Annotated[str | None, typer.Option(help="System prompt before the question.")]
Lookahead = Annotated[
    Any,
    typer.Option(
        parser=parse_lookahead,
        metavar="STEPS",
        help="Steps the draft may run ahead, or auto; 0, the usual one, is Algorithm 1.",
    ),
]
MaxWaste = Annotated[
    float | None,
    typer.Option(help="Share of draft tokens that auto may write in vain (0.1).", min=0, max=1),
]
Hedge = Annotated[
    float | None,
    typer.Option(
        help="Start the target before the verdict if a rejection is this likely; 0: always.",
        min=0,
        max=1,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


_OF_THE_MODEL = (
    *("draft", "target", "prm", "delta", "temperature", "max_tokens"),
    *("lookahead", "max_waste", "hedge"),
)
"""The options above that are options of `ChatRSD` too."""


def stack_options(context: typer.Context, *more: str) -> dict[str, Any]:
    """What the stack says, and what the command line says instead, as options of `ChatRSD`.

    Args:
        context: The command's; what was not given on its line is `None` there.
        *more: Names of its own options that are `ChatRSD`'s, too.
    """
    given = {name: context.params.get(name) for name in (*_OF_THE_MODEL, *more)}
    said = {name: value for name, value in given.items() if value is not None}
    if context.params["config"] is None:
        return said
    from rsd_graph.stacks.config import load_stack

    return {**load_stack(context.params["config"], context.params["stack"]), **said}
