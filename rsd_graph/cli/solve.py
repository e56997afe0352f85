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


def solve(
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    draft: Annotated[str, typer.Option(help=ENDPOINT_HELP)] = "embedded:draft",
    target: Annotated[str, typer.Option(help=ENDPOINT_HELP)] = "embedded:target",
    prm: Annotated[
        str, typer.Option(help="The same, after the PRM's family: qwen-prm+vllm+http://...")
    ] = "embedded:prm",
    delta: Annotated[float, typer.Option(help="Accept a draft step iff reward >= delta.")] = 0.7,
    temperature: Annotated[float, typer.Option(help="0 is greedy.")] = 0.0,
    max_tokens: Annotated[int, typer.Option(help="Tokens of the whole answer.")] = 4096,
    max_steps: Annotated[int, typer.Option(help="Steps of the answer.")] = 100,
    seed: Annotated[int | None, typer.Option(help="Repeats the same random choices.")] = None,
    lookahead: Annotated[
        str, typer.Option(help="Steps the draft may run ahead, or auto; 0: Algorithm 1.")
    ] = "0",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="No colour.")] = False,
) -> None:
    """Solve QUESTION step by step.

    Shows who wrote each step, its reward, the verdict, the answer, and what it cost.
    """
    text = sys.stdin.read() if question == "-" else question
    options: dict[str, Any] = {
        "draft": draft,
        "target": target,
        "prm": prm,
        "delta": delta,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "max_steps": max_steps,
        "seed": seed,
        "lookahead": _lookahead(lookahead),
    }
    if as_json:
        found = asyncio.run(_answer(text, options, lambda step: None))
        print(json.dumps(found.as_json()))
    else:
        _solve_on_screen(text, options, plain)


def _lookahead(text: str) -> int | str:
    if text == "auto" or text.isdecimal():
        return text if text == "auto" else int(text)
    raise typer.BadParameter(f"{text!r} is neither auto nor a number.", param_hint="--lookahead")


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
    console.print(f"cost    {cost_line(found.steps, found.ledger, found.parameters)}")
