"""`rsd-graph solve`: one question, step by step."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rsd_graph.cli._answer import Answer

ENDPOINT_HELP = "Endpoint string, such as vllm+http://host:8000/v1#model or embedded:/path.gguf."
MAX_WASTE_HELP = "Share of draft tokens that --lookahead auto may write in vain (0.1)."
HEDGE_HELP = "Start the target before the verdict if a rejection is this likely; 0: always."


def solve(
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    draft: Annotated[str | None, typer.Option(help=ENDPOINT_HELP)] = None,
    target: Annotated[str | None, typer.Option(help=ENDPOINT_HELP)] = None,
    prm: Annotated[
        str | None, typer.Option(help="The same, after the PRM's family: qwen-prm+vllm+http://...")
    ] = None,
    config: Annotated[str | None, typer.Option(help="A TOML file of stacks.")] = None,
    stack: Annotated[str | None, typer.Option(help="Which stack of the file.")] = None,
    delta: Annotated[
        float | None, typer.Option(help="Accept a draft step iff reward >= delta (0.7).")
    ] = None,
    temperature: Annotated[float | None, typer.Option(help="0, the usual one, is greedy.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens of the whole answer.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Steps of the answer.")] = None,
    seed: Annotated[int | None, typer.Option(help="Repeats the same random choices.")] = None,
    lookahead: Annotated[
        str | None, typer.Option(help="Steps the draft may run ahead, or auto; 0: Algorithm 1.")
    ] = None,
    max_waste: Annotated[float | None, typer.Option(help=MAX_WASTE_HELP, min=0, max=1)] = None,
    hedge: Annotated[float | None, typer.Option(help=HEDGE_HELP, min=0, max=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No colour.")] = False,
) -> None:
    """Solve QUESTION step by step, with the shipped models unless you name others.

    Shows who wrote each step, its reward, the verdict, the answer, and what it cost.
    """
    text = sys.stdin.read() if question == "-" else question
    given: dict[str, Any] = {
        "draft": draft,
        "target": target,
        "prm": prm,
        "delta": delta,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "max_steps": max_steps,
        "seed": seed,
        "lookahead": parse_lookahead(lookahead),
        "max_waste": max_waste,
        "hedge": hedge,
    }
    options = stack_options(config, stack, given)
    if as_json:
        found = asyncio.run(_answer(text, options, lambda step: None))
        print(json.dumps(found.as_json()))
    else:
        _solve_on_screen(text, options, plain)


def parse_lookahead(text: str | None) -> int | str | None:
    """A number of steps, or "auto"."""
    if text is None or text == "auto":
        return text
    if text.isdecimal():
        return int(text)
    raise typer.BadParameter(f"{text!r} is neither auto nor a number.", param_hint="--lookahead")


def stack_options(config: str | None, stack: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """What the stack says, and what the command line says instead; `None` was not given."""
    said = {name: value for name, value in given.items() if value is not None}
    if config is None:
        return said
    from rsd_graph.config import load_stack

    return {**load_stack(config, stack), **said}


async def _answer(question: str, options: dict[str, Any], on_step: Any) -> Answer:
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli._answer import answer

    return await answer(ChatRSD(**options), question, on_step)


def _solve_on_screen(question: str, options: dict[str, Any], plain: bool) -> None:
    from rsd_graph.cli._show import cost_line, printable, screen, show_step

    console = screen(plain=plain)
    found = asyncio.run(_answer(question, options, lambda step: show_step(console, step)))
    console.print()
    console.print(f"answer  {printable(found.final)}", style="bold")
    if found.finish_reason != "stop":
        console.print(f"ended   by {found.finish_reason}, before the model finished")
    console.print(f"cost    {cost_line(found.steps, found.ledger, found.parameters, found.prices)}")
