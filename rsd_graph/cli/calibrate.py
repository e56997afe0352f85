"""`rsd-graph calibrate`: choose delta from your own prompts."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli.solve import ENDPOINT_HELP

if TYPE_CHECKING:
    from rsd_graph.evaluation.calibration import IsRight


def calibrate(
    prompts: Annotated[str, typer.Argument(help="A file with one prompt per line; - for stdin.")],
    out: Annotated[Path, typer.Option(help="The calibration file to write.")] = Path(
        "calibrated.json"
    ),
    gamma: Annotated[float, typer.Option(help="At most this share of steps to the target.")] = 0.1,
    confidence: Annotated[float, typer.Option(help="Of keeping that budget.")] = 0.95,
    draft: Annotated[str, typer.Option(help=ENDPOINT_HELP)] = "embedded:draft",
    prm: Annotated[str, typer.Option(help="The same, after the PRM's family.")] = "embedded:prm",
    concurrency: Annotated[int, typer.Option(help="Prompts at a time.", min=1)] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the file's content.")] = False,
) -> None:
    """Choose delta for a budget: draft and PRM run once on PROMPTS, the target not at all.

    A line is a prompt, a JSON string (for prompts of several lines), or a JSON object with
    question and answer. If all have answers, accuracy and the PRM's reliability are told too.
    """
    lines = sys.stdin.read() if prompts == "-" else _read(prompts)
    rows = [_row(line) for line in lines.splitlines() if line.strip()]
    found = asyncio.run(_calibrate(rows, out, gamma, confidence, draft, prm, concurrency))
    print(json.dumps(found)) if as_json else _show(found, out)


def _read(path: str) -> str:
    from rsd_graph.errors import InputError

    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error


def _row(line: str) -> str | dict[str, Any]:
    """A prompt, or a question with its gold; a line that only looks like JSON is a prompt."""
    try:
        row = json.loads(line) if line[0] in '"{' else line
    except ValueError:
        return line
    return row if isinstance(row, dict) else str(row)


async def _calibrate(
    rows: list[str | dict[str, Any]],
    out: Path,
    gamma: float,
    confidence: float,
    draft: str,
    prm: str,
    concurrency: int,
) -> dict[str, Any]:
    from rsd_graph.evaluation.arms import Stack
    from rsd_graph.evaluation.calibration import choose, collect, write_calibration
    from rsd_graph.providers.registry import reward_model, step_model

    writer = step_model(draft, "draft")
    stack = Stack(draft=writer, target=writer, prm=reward_model(prm))
    with ExitStack() as opened:
        prompts, is_right = _questions(rows, opened)
        sample = await collect(stack, prompts, concurrency=concurrency, is_right=is_right)
    choice, share = choose(sample, gamma, confidence)
    return write_calibration(out, choice, share, sample, draft=draft, prm=prm)


def _questions(
    rows: list[str | dict[str, Any]], opened: ExitStack
) -> tuple[list[str], IsRight | None]:
    """The prompts, and a judge if every one has a gold answer."""
    from rsd_graph.evaluation.questions import Question
    from rsd_graph.evaluation.rows import read_row

    labelled = [row for row in rows if isinstance(row, dict)]
    read = [read_row(row, source="prompts", index=n) for n, row in enumerate(labelled)]
    questions = {q.text: q for q in read if isinstance(q, Question)}
    prompts = [row for row in rows if isinstance(row, str)] + list(questions)
    if len(labelled) < len(rows) or not all(question.gold for question in questions.values()):
        return prompts, None
    from rsd_graph.evaluation.grader import Grader

    grader = opened.enter_context(Grader())

    async def is_right(prompt: str, answer: str) -> bool:
        return (await grader.agrade(questions[prompt], answer)).correct

    return prompts, is_right


def _show(found: dict[str, Any], out: Path) -> None:
    from rsd_graph.cli._show import screen
    from rsd_graph.evaluation.summary import text_table

    console = screen()
    headers = ["delta", "target share", "target tokens a question", "draft alone", "of those right"]
    rows = [
        [
            f"{point['delta']:.3f}",
            f"{point['target_share']:.1%}",
            f"{point['target_tokens']:.1f}",
            f"{point['draft_alone']:.1%}",
            _percent(point["draft_alone_accuracy"]),
        ]
        for point in found["sweep"]
    ]
    console.print(text_table(headers, rows))
    choice = found["choice"]
    console.print(
        f"delta {choice['delta']:.4f}: at most {choice['share_bound']:.1%} of the steps to the "
        f"target with confidence {choice['confidence']:.0%}; "
        f"{found['held_out_target_share']:.1%} on held-out prompts"
    )
    if curve := found["reliability"]:
        gap = curve["expected_calibration_error"]
        console.print(f"an answer's lowest reward is off its accuracy by {gap:.1%} on average")
    console.print(f"written to {out}; use it with ChatRSD(delta={str(out)!r})")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
