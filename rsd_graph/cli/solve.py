"""`rsd-graph solve`: one question, step by step."""

from __future__ import annotations

import asyncio
import json
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_graph.cli.terminal.flags import OPTIONS, AsJson, System, stack_options, takes
from rsd_graph.cli.terminal.streams import typed
from rsd_graph.cli.view import show_page

if TYPE_CHECKING:
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli.terminal.answer import Answer


@takes(*OPTIONS)
def solve(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    system: System = None,
    as_json: AsJson = False,
    plain: Annotated[bool, typer.Option("--plain", help="No colour.")] = False,
    view: Annotated[
        bool, typer.Option("--view", help="Open the answer as a page in the browser.")
    ] = False,
) -> None:
    """Solve QUESTION step by step, with the shipped models unless you name others.

    Shows who wrote each step, its reward, the verdict, the answer, and what it cost.

    The shipped models solve stories of three to six events about one amount, and nothing else.
    """
    from rsd_graph.chat_models import ChatRSD
    from rsd_graph.cli.terminal.questions import note_on_scope
    from rsd_graph.lab.question import Question

    text = _text(question)
    options = stack_options(context)
    note_on_scope([Question("", text, None, "open")], options)
    llm = ChatRSD(**options)
    solved = _solved_silently if as_json else partial(_solved_on_screen, plain=plain)
    written = _as_written(llm, text, solved(llm, text, system))
    if as_json:
        print(json.dumps(written))
    if view:
        _view(written)


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


def _as_written(llm: ChatRSD, question: str, found: Answer) -> dict[str, object]:
    """The answer in the format of all our files, `rsd-trace/1`."""
    is_threshold = llm.accept is None and isinstance(llm.delta, float)
    delta = {"delta": llm.delta} if is_threshold else {}
    return {**found.as_json(), "prompt": question, **delta}


def _solved_silently(llm: ChatRSD, question: str, system: str | None) -> Answer:
    from rsd_graph.cli.terminal.answer import answer

    return asyncio.run(answer(llm, question, lambda step: None, system=system))


def _solved_on_screen(llm: ChatRSD, question: str, system: str | None, plain: bool) -> Answer:
    from rsd_graph.cli.terminal.answer import answer
    from rsd_graph.cli.terminal.screen import cost_line, printable, screen, show_step

    console = screen(plain=plain)
    run = answer(llm, question, lambda step: show_step(console, step), system=system)
    found = asyncio.run(run)
    console.print()
    console.print(f"answer  {printable(found.final)}", style="bold")
    if found.finish_reason != "stop":
        console.print(f"ended   by {found.finish_reason}, before the model finished")
    console.print(f"cost    {cost_line(found.steps, found.ledger, found.parameters, found.prices)}")
    return found


def _view(written: dict[str, object]) -> None:
    from rsd_graph.viewer import Traces, trace_of

    show_page([Traces("answer", [trace_of(written)])], "RSD: an answer", open_it=True)
