"""A page of documentation as its reader uses it: block after block, in one folder.

Endpoints that only a reader has (`vllm+http://gpu1:8000/v1#...`) become the shipped models.
Commands that take long are only read by the command line's own parser.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import dropwhile
from pathlib import Path
from typing import Any

import typer
from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.step_statistics import StepStatistics
from rsd_graph.stacks.calibrated import FORMAT

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN = ("--version", "batch", "graph", "plan", "solve", "view")
"""What is done in a second or two."""
QUESTIONS = 8

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENDPOINT = re.compile(r"(?:(?P<family>[\w-]+)\+)?\w+\+https?://(?P<host>[\w.]+)[^\s\"'`]*")
_FILE = re.compile(r"# ([\w-]+\.\w+)\n")
"""A first line that names the file a block is to be saved as."""
_SETTING = re.compile(r"[A-Z_]+=")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The blocks of a page, with endpoints that are there."""
    found = _BLOCK.findall(page.read_text(encoding="utf-8"))
    return [Block(name, _offline(text)) for name, text in found if name in languages]


def _offline(text: str) -> str:
    """The block with a shipped model in place of every endpoint that only its reader has."""

    def shipped(endpoint: re.Match[str]) -> str:
        if endpoint["family"] == "judge":
            return "judge+embedded:target"  # whose rewards are digits, and delta with them
        if endpoint["family"]:
            return "embedded:prm"
        return "embedded:draft" if endpoint["host"] == "gpu1" else "embedded:target"

    return _ENDPOINT.sub(shipped, text)


def furnish(folder: Path) -> None:
    """The files a reader brings along: a story, questions with answers, a stack, verdicts."""
    problems = held_out_problems(QUESTIONS)
    rows = [json.dumps({"question": p.question, "answer": str(p.answer)}) for p in problems]
    seats = [f'{role} = "embedded:{role}"' for role in ("draft", "target", "prm")]
    steps = asdict(StepStatistics(QUESTIONS, 6.0, 13.0, 40.0, decided=48, rejected=4))
    calibrated = {"format": FORMAT, "prm": "embedded:prm", "delta": 0.9, "steps": steps}
    learned = {
        "format": "rsd-graph learned verdict 1",
        **{"draft": "embedded:draft", "prm": "embedded:prm", "label": "the PRM accepts it"},
        **{"bias": 1.0, "weights": {"largest_surprise": -1.0}, "unsure": [0.1, 0.9]},
    }
    for name, text in {
        "story.txt": problems[0].question,
        "questions.jsonl": "\n".join(rows),
        "rsd.toml": "\n".join(["[stacks.math]", *seats]),
        "calibrated.json": json.dumps(calibrated),
        "learned.json": json.dumps(learned),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")


def follow(page: Path, folder: Path) -> dict[str, Any]:
    """Do what the page says, in its order; the names its Python leaves behind."""
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page, "python", "toml", "sh"):
        if file := _FILE.match(block.text):
            (folder / file[1]).write_text(block.text, encoding="utf-8")
        if block.language == "python":
            exec(compile(block.text, str(page), "exec"), names)
        if block.language == "sh":
            for program, *arguments in commands(block.text):
                if program == "rsd-graph":
                    _call(arguments)
    return names


def commands(text: str) -> Iterator[list[str]]:
    """The words of every command in a block of shell, without settings of the environment."""
    line = ""
    for part in text.replace("\\\n", " ").splitlines():
        line += f"{part}\n"
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # an open quotation mark: the command goes on
            continue
        line = ""
        if words:
            yield list(dropwhile(_SETTING.match, words))
    assert line == "", f"a quotation mark stays open in {line}"


def _call(arguments: list[str]) -> None:
    """Run a command that is quick; have the parser accept any other."""
    if arguments[0] in RUN:
        _run(arguments)
        return
    group: Any = typer.main.get_command(app)
    context = group.make_context("rsd-graph", list(arguments))
    name, command, rest = group.resolve_command(context, arguments)
    command.make_context(name, rest, parent=context)


def _run(arguments: list[str]) -> None:
    """Run `rsd-graph`; `< FILE` at the end is what it reads."""
    words, file = arguments, os.devnull
    if "<" in arguments:
        *words, _, file = arguments
    result = CliRunner().invoke(app, words, input=Path(file).read_bytes())
    assert result.exit_code == 0, f"{words}\n{result.output}"
