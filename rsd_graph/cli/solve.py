"""`rsd-graph solve`: one question, step by step."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli._options import OPTIONS, AsJson, System, stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.cli._answer import Answer


@takes(*OPTIONS)
def solve(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    system: System = None,
    as_json: AsJson = False,
    plain: Annotated[bool, typer.Option("--plain", help="No colour.")] = False,
) -> None:
    """Solve QUESTION step by step, with the shipped models unless you name others.

    Shows who wrote each step, its reward, the verdict, the answer, and what it cost.
    """
    from rsd_graph.errors import InputError

    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise InputError("The question is empty.", expected="a QUESTION, or - and one on stdin")
    options = stack_options(context)
    if as_json:
        found = asyncio.run(_answer(text, options, system, lambda step: None))
        print(json.dumps(found.as_json()))
    else:
        _solve_on_screen(text, options, system, plain)


async def _answer(
    question: str, options: dict[str, Any], system: str | None, on_step: Any
) -> Answer:
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli._answer import answer

    return await answer(ChatRSD(**options), question, on_step, system=system)


def _solve_on_screen(
    question: str, options: dict[str, Any], system: str | None, plain: bool
) -> None:
    from rsd_graph.cli._show import cost_line, printable, screen, show_step

    console = screen(plain=plain)
    found = asyncio.run(_answer(question, options, system, lambda step: show_step(console, step)))
    console.print()
    console.print(f"answer  {printable(found.final)}", style="bold")
    if found.finish_reason != "stop":
        console.print(f"ended   by {found.finish_reason}, before the model finished")
    console.print(f"cost    {cost_line(found.steps, found.ledger, found.parameters, found.prices)}")
