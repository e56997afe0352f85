"""`rsd-graph calibrate`: choose delta from your own prompts."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_graph.cli._options import stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.lab.calibration.calibrate import Calibration, Plan
    from rsd_graph.lab.calibration.objectives import Objective
    from rsd_graph.lab.calibration.one_pass import IsRight
    from rsd_graph.lab.calibration.seen import Course
    from rsd_graph.lab.experiment import Experiment

Row = str | dict[str, object]
"""A prompt, or a question with its gold."""

_USUAL_SHARE = 0.1


@takes()
def calibrate(
    context: typer.Context,
    prompts: Annotated[str, typer.Argument(help="A file with one prompt per line; - for stdin.")],
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write: calibrated.json, or with --learn learned.json."),
    ] = None,
    target_share: Annotated[
        float | None,
        typer.Option(
            "--target-share",
            "--gamma",
            help="The objective: at most this share of steps to the target (the usual one, 0.1).",
        ),
    ] = None,
    accuracy: Annotated[
        float | None, typer.Option(help="The objective: the cheapest delta that reaches it.")
    ] = None,
    best_value: Annotated[
        bool,
        typer.Option(
            "--best-value",
            help="The objective: most right answers for the cost; of deltas that reach --accuracy, "
            "if it is named.",
        ),
    ] = False,
    confidence: Annotated[
        float, typer.Option(help="Of keeping the budget, or reaching the accuracy.")
    ] = 0.95,
    ask_target: Annotated[
        bool, typer.Option("--ask-target", help="For costs and latency with --target-share, too.")
    ] = False,
    check: Annotated[
        bool | None,
        typer.Option(help="Run RSD on held-out prompts (usual where the target is asked)."),
    ] = None,
    learn: Annotated[
        bool,
        typer.Option(
            "--learn",
            help="Learn a verdict on the draft's own words instead of choosing delta: what it is "
            "sure of needs no PRM.",
        ),
    ] = False,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="verdicts|answers",
            help="With --learn, what makes a step good: the PRM accepts it (usual), or the draft's "
            "answer is right.",
        ),
    ] = None,
    beside_prm: Annotated[
        bool, typer.Option("--beside-prm", help="With --labels answers: weigh its reward, too.")
    ] = False,
    slip: Annotated[
        float | None,
        typer.Option(help="With --learn, the share of answers that may hold a bad step: 0.01."),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="Prompts at a time.", min=1)] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print the file's content.")] = False,
) -> None:
    """Choose delta: draft and PRM run once on PROMPTS, every delta is answered from that.

    By accuracy or value, which need golds, the target answers every prompt once, too. With --learn
    RSD runs on PROMPTS, and the PRM's verdicts teach another that costs nothing.

    A line is a prompt, a JSON string (for prompts of several lines), or a JSON object with
    question and answer. If all have answers, accuracy and the PRM's reliability are told too.
    """
    from rsd_graph.lab.calibration.calibrate import Plan, write_calibration
    from rsd_graph.lab.experiment import Experiment

    lines = sys.stdin.read() if prompts == "-" else _read(prompts)
    rows = [_row(line) for line in lines.split("\n") if line.strip()]
    if learn:
        if best_value or ask_target or check is not None or (target_share or accuracy) is not None:
            raise typer.BadParameter("--learn chooses no delta: leave out what chooses one.")
        course = _course(labels, beside_prm, slip, concurrency)
        _learn(context, rows, course, out or Path("learned.json"), as_json)
        return
    if labels or beside_prm or slip is not None:
        raise typer.BadParameter("--labels, --beside-prm and --slip belong to --learn.")
    out = out or Path("calibrated.json")
    objective = _objective(target_share, accuracy, best_value, confidence)
    is_asked = ask_target or objective.asks_target
    is_checked = is_asked if check is None else check
    needs_target = is_asked or is_checked
    experiment = Experiment(stack_options(context, needs_target=needs_target))
    plan = Plan(objective, experiment.accounting, is_asked, concurrency)
    found = asyncio.run(_calibrate(rows, experiment, plan, is_checked))
    asked = {r: m for r, m in experiment.endpoints.items() if r != "target" or needs_target}
    content = write_calibration(out, found, asked)
    if as_json:
        print(json.dumps(content))
        return
    from rsd_graph.cli._calibration import show_calibration

    show_calibration(found, out)


def _course(labels: str | None, beside_prm: bool, slip: float | None, concurrency: int) -> Course:
    from rsd_graph.lab.calibration.seen import Course

    usual = Course(beside_prm=False, concurrency=concurrency)
    match labels or usual.labels:
        case "verdicts" | "answers" as known:
            return Course(known, beside_prm, usual.slip if slip is None else slip, concurrency)
    raise typer.BadParameter("it is verdicts or answers.", param_hint="'--labels'")


def _learn(
    context: typer.Context, rows: list[Row], course: Course, out: Path, as_json: bool
) -> None:
    """Learn a verdict, write its file, and show what it is worth."""
    from rsd_graph.cli._learning import show_learning
    from rsd_graph.lab.calibration.learn import learn, write_learning
    from rsd_graph.lab.experiment import Experiment

    needs_target = course.labels == "verdicts"
    experiment = Experiment(stack_options(context, needs_target=needs_target))
    draft, prm = (experiment.endpoints[role] for role in ("draft", "prm"))
    with ExitStack() as opened:
        prompts, is_right = _questions(rows, opened)
        found = asyncio.run(
            learn(experiment.setup(), prompts, course, draft=draft, prm=prm, is_right=is_right)
        )
    content = write_learning(out, found)
    if as_json:
        print(json.dumps(content))
    else:
        show_learning(found, out)


def _read(path: str) -> str:
    from rsd_graph.errors import InputError

    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read: it is not UTF-8.") from error


def _row(line: str) -> Row:
    """A prompt, or a question with its gold; a line that only looks like JSON is a prompt."""
    try:
        row = json.loads(line) if line[0] in '"{' else line
    except (ValueError, RecursionError):
        return line
    return row if isinstance(row, dict) else str(row)


def _objective(
    target_share: float | None, accuracy: float | None, best_value: bool, confidence: float
) -> Objective:
    """The one objective that was named."""
    from rsd_graph.lab.calibration.objectives import Objective

    if best_value or accuracy is not None:
        if target_share is not None:
            raise typer.BadParameter("a budget and an accuracy are two objectives; name one.")
        return Objective("best value" if best_value else "accuracy", accuracy, confidence)
    share = _USUAL_SHARE if target_share is None else target_share
    return Objective("target share", share, confidence)


async def _calibrate(
    rows: list[Row], experiment: Experiment, plan: Plan, is_checked: bool
) -> Calibration:
    from rsd_graph.lab.calibration.calibrate import calibrate

    with ExitStack() as opened:
        prompts, is_right = _questions(rows, opened)
        return await calibrate(
            experiment.setup(0),
            prompts,
            plan,
            is_right=is_right,
            check_on=experiment.setup(1) if is_checked else None,
        )


def _questions(rows: list[Row], opened: ExitStack) -> tuple[list[str], IsRight | None]:
    """The prompts, and a judge if every one has a gold answer."""
    from rsd_graph.lab.question import Question
    from rsd_graph.lab.questions.rows import read_row

    labelled = [row for row in rows if isinstance(row, dict)]
    read = [read_row(row, source="prompts", index=n) for n, row in enumerate(labelled)]
    questions = {q.text: q for q in read if isinstance(q, Question)}
    prompts = [row for row in rows if isinstance(row, str)] + list(questions)
    if len(labelled) < len(rows) or not all(question.gold for question in questions.values()):
        return prompts, None
    from rsd_graph.lab.grading.workers import Grader

    grader = opened.enter_context(Grader())

    async def is_right(prompt: str, answer: str) -> bool:
        return (await grader.agrade(questions[prompt], answer)).correct

    return prompts, is_right
