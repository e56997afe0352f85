"""`rsd-graph calibrate`: choose delta from your own prompts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_graph.cli.terminal.flags import stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.lab.calibration.calibrate import Calibration, Plan
    from rsd_graph.lab.calibration.objectives import Objective
    from rsd_graph.lab.calibration.one_pass import IsRight
    from rsd_graph.lab.calibration.seen import Course
    from rsd_graph.lab.experiment import Experiment
    from rsd_graph.lab.question import Question

_USUAL_SHARE = 0.1


@takes()
def calibrate(
    context: typer.Context,
    prompts: Annotated[
        str,
        typer.Argument(
            help="JSONL, JSON, CSV, Parquet or text, a prompt per line; - for stdin; or a dataset."
        ),
    ],
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

    In text a line is a prompt, a JSON string (for prompts of several lines), or a JSON object. If
    all have a question and an answer, accuracy and the PRM's reliability are told too.
    """
    from rsd_graph.cli.terminal.questions import note_on_scope, questions_of
    from rsd_graph.lab.calibration.calibrate import Plan, write_calibration
    from rsd_graph.lab.experiment import Experiment
    from rsd_graph.lab.questions.rows import read_any

    questions = questions_of(prompts, read_any)
    if learn:
        if best_value or ask_target or check is not None or (target_share or accuracy) is not None:
            raise typer.BadParameter("--learn chooses no delta: leave out what chooses one.")
        course = _course(labels, beside_prm, slip, concurrency)
        _learn(context, questions, course, out or Path("learned.json"), as_json)
        return
    if labels or beside_prm or slip is not None:
        raise typer.BadParameter("--labels, --beside-prm and --slip belong to --learn.")
    out = out or Path("calibrated.json")
    objective = _objective(target_share, accuracy, best_value, confidence)
    is_asked = ask_target or objective.asks_target
    is_checked = is_asked if check is None else check
    needs_target = is_asked or is_checked
    options = stack_options(context, needs_target=needs_target)
    note_on_scope(questions, options)
    experiment = Experiment(options)
    plan = Plan(objective, experiment.accounting, is_asked, concurrency)
    found = asyncio.run(_calibrate(questions, experiment, plan, is_checked))
    asked = {r: m for r, m in experiment.endpoints.items() if r != "target" or needs_target}
    content = write_calibration(out, found, asked)
    if as_json:
        print(json.dumps(content))
        return
    from rsd_graph.cli.terminal.calibration import show_calibration

    show_calibration(found, out)


def _course(labels: str | None, beside_prm: bool, slip: float | None, concurrency: int) -> Course:
    from rsd_graph.lab.calibration.seen import Course

    usual = Course(beside_prm=False, concurrency=concurrency)
    match labels or usual.labels:
        case "verdicts" | "answers" as known:
            return Course(known, beside_prm, usual.slip if slip is None else slip, concurrency)
    raise typer.BadParameter("it is verdicts or answers.", param_hint="'--labels'")


def _learn(
    context: typer.Context, questions: Sequence[Question], course: Course, out: Path, as_json: bool
) -> None:
    """Learn a verdict, write its file, and show what it is worth."""
    from rsd_graph.cli.terminal.learning import show_learning
    from rsd_graph.cli.terminal.questions import note_on_scope
    from rsd_graph.lab.calibration.learn import learn, write_learning
    from rsd_graph.lab.experiment import Experiment

    from_answers = course.labels == "answers"
    options = stack_options(context, needs_target=not from_answers)
    note_on_scope(questions, options)
    experiment, by_text = Experiment(options), {question.text: question for question in questions}
    named = {role: experiment.endpoints[role] for role in ("draft", "prm")}
    with ExitStack() as opened:
        is_right = _judge(by_text, opened) if from_answers else None
        lesson = learn(experiment.setup(), list(by_text), course, **named, is_right=is_right)
        found = asyncio.run(lesson)
    content = write_learning(out, found)
    if as_json:
        print(json.dumps(content))
    else:
        show_learning(found, out)


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
    questions: Sequence[Question], experiment: Experiment, plan: Plan, is_checked: bool
) -> Calibration:
    from rsd_graph.lab.calibration.calibrate import calibrate

    by_text = {question.text: question for question in questions}
    with ExitStack() as opened:
        return await calibrate(
            experiment.setup(0),
            list(by_text),
            plan,
            is_right=_judge(by_text, opened),
            check_on=experiment.setup(1) if is_checked else None,
        )


def _judge(by_text: Mapping[str, Question], opened: ExitStack) -> IsRight | None:
    """Who tells right from wrong, if every question has a gold answer."""
    if not all(question.gold for question in by_text.values()):
        return None
    from rsd_graph.lab.grading.workers import Grader

    grader = opened.enter_context(Grader())

    async def is_right(prompt: str, answer: str) -> bool:
        return (await grader.agrade(by_text[prompt], answer)).correct

    return is_right
