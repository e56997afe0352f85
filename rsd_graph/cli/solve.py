"""`rsd-graph solve`: one question, step by step."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli.terminal.flags import OPTIONS, AsJson, System, stack_options, takes
from rsd_graph.cli.terminal.streams import typed

if TYPE_CHECKING:
    from rsd_graph.cli.terminal.answer import Answer


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

    The shipped models solve stories of three to six events about one amount, and nothing else.
    """
    from rsd_graph.cli.terminal.questions import note_on_scope
    from rsd_graph.lab.question import Question

    text = _text(question)
    options = stack_options(context)
    note_on_scope([Question("", text, None, "open")], options)
    if as_json:
        found = asyncio.run(_answer(text, options, system, lambda step: None))
        print(json.dumps(found.as_json()))
    else:
        _solve_on_screen(text, options, system, plain)


def _text(question: str) -> str:
    from rsd_graph.errors import InputError
    from rsd_graph.stacks.text_file import decoded

    if question == "-":
        text = decoded(typed("the question"), "standard input")
    else:
        text = decoded(os.fsencode(question), "QUESTION")
    if not text.strip():
        raise InputError("The question is empty.", expected="a QUESTION, or - and one on stdin")
    return text


async def _answer(
    question: str, options: dict[str, Any], system: str | None, on_step: Any
) -> Answer:
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli.terminal.answer import answer

    return await answer(ChatRSD(**options), question, on_step, system=system)


def _solve_on_screen(
    question: str, options: dict[str, Any], system: str | None, plain: bool
) -> None:
    from rsd_graph.cli.terminal.screen import cost_line, printable, screen, show_step

    console = screen(plain=plain)
    found = asyncio.run(_answer(question, options, system, lambda step: show_step(console, step)))
    console.print()
    console.print(f"answer  {printable(found.final)}", style="bold")
    if found.finish_reason != "stop":
        console.print(f"ended   by {found.finish_reason}, before the model finished")
    console.print(f"cost    {cost_line(found.steps, found.ledger, found.parameters, found.prices)}")
