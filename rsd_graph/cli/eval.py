"""`rsd-graph eval`: measure RSD and its rivals, with the shipped models or with yours."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rsd_graph.cli._options import OPTIONS, AsJson, System, stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.lab.experiment import Findings, Models
    from rsd_graph.lab.questions.exam import Exam

_ARMS_HELP = (
    "Comma-separated: draft, target, rsd, rsd:0.8, constant:0.9, clipping, sigmoidal, "
    "logistic:10:0.7, random:0.2, majority:16, best-of:16, process-best-of:8, beam:4x4, oracle, "
    "gsi:4, specreason, served:ENDPOINT."
)

_DATASET_HELP = (
    "candies (the shipped models' own task, and the usual one), gsm8k, math500, ..., or a file; "
    "several with commas. With --paper: the paper's six."
)

_JUDGE_HELP = (
    "Reward model that judges answers to open-ended questions, such as orm+vllm+http://... : the "
    "table has mean rewards and win rates instead of accuracies."
)


@takes(*OPTIONS)
def evaluate(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help=_DATASET_HELP)] = None,
    limit: Annotated[
        int | None, typer.Option(help="How many questions of each dataset; candies: 300.")
    ] = None,
    arms: Annotated[str, typer.Option(help=_ARMS_HELP)] = "draft,target,rsd",
    judge: Annotated[str | None, typer.Option(help=_JUDGE_HELP)] = None,
    system: System = None,
    concurrency: Annotated[int, typer.Option(help="Answers at a time.", min=1)] = 8,
    journal: Annotated[
        Path | None, typer.Option(help="Keep answers in this JSONL file, and resume from it.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report here.")] = None,
    paper: Annotated[
        bool,
        typer.Option("--paper", help="The paper's prompt and sets, and its numbers beside ours."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Measure draft, target and RSD on held-out problems, with the shipped models.

    Prints accuracy with 95 % intervals and the cost in both accountings. Other models, datasets
    and arms are one option away; --journal makes a run that can be interrupted and resumed.
    """
    if paper:
        from rsd_graph.lab.report.published import BOXED_PROMPT, DATASETS

        system, dataset = system or BOXED_PROMPT, dataset or ",".join(DATASETS)
    from rsd_graph.lab.experiment import Models

    options = stack_options(context)
    models = Models(options, system)
    names = arms.split(",")
    run = {
        "dataset": dataset or "candies",
        "limit": limit,
        "seed": options.get("seed", 0),
        "arms": names,
        "paper": paper,
        "judge": judge,
    }
    try:
        found = asyncio.run(_run(models, run, concurrency, journal, report, quiet=as_json))
    except KeyboardInterrupt:
        if journal:
            sys.stderr.write(f"{journal} keeps every answer; the same command goes on from there\n")
        raise
    if as_json:
        print(json.dumps(found))
        return
    from rsd_graph.cli._evaluation import show

    show(found)


async def _run(
    models: Models,
    run: dict[str, Any],
    concurrency: int,
    journal: Path | None,
    report: Path | None,
    *,
    quiet: bool,
) -> dict[str, Any]:
    """Everything between the options and the numbers."""
    import tempfile

    from rsd_graph.cli._progress import EvaluationProgress
    from rsd_graph.lab.experiment import decisive, measure
    from rsd_graph.lab.journal import Journal

    with ExitStack() as opened:
        exam = _exam(run, opened)
        arms = models.arms(run["arms"], exam)
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        settings = decisive(models, run["dataset"], run["seed"], run["judge"])
        book = opened.enter_context(Journal(journal or Path(folder) / "answers.jsonl", settings))
        progress = EvaluationProgress([a.name for a in arms], len(exam.questions), quiet=quiet)
        for record in book.answers:
            progress.add(record)
        opened.enter_context(progress)
        findings = await measure(
            arms,
            exam,
            book,
            models.parameters,
            prices=models.prices,
            concurrency=concurrency,
            seed=run["seed"],
            progress=progress.add,
        )
        return await _report(models, run, exam, findings, report)


def _exam(run: dict[str, Any], opened: ExitStack) -> Exam:
    """The questions and their judge; whatever it opens is closed with *opened*."""
    from rsd_graph.lab.questions.shipped import NAME, held_out

    if run["judge"]:
        return _open_exam(run)
    if run["dataset"] == NAME:
        return held_out(300 if run["limit"] is None else run["limit"], run["seed"])
    from rsd_graph.lab.grading.workers import Grader
    from rsd_graph.lab.questions.datasets import load_datasets
    from rsd_graph.lab.questions.exam import DatasetExam

    questions = load_datasets(run["dataset"].split(","), limit=run["limit"])
    return DatasetExam(questions, opened.enter_context(Grader()))


def _open_exam(run: dict[str, Any]) -> Exam:
    from rsd_graph.lab.questions.datasets import load_datasets
    from rsd_graph.lab.questions.open_ended import OpenExam
    from rsd_graph.providers.registry import reward_model

    questions = load_datasets(run["dataset"].split(","), limit=run["limit"], open_ended=True)
    return OpenExam(questions, reward_model(run["judge"]))


async def _report(
    models: Models, run: dict[str, Any], exam: Exam, findings: Findings, report: Path | None
) -> dict[str, Any]:
    """The numbers as plain data, and the HTML page if one is wanted."""
    from rsd_graph.answer.prices import stated
    from rsd_graph.lab.experiment import decisive, environment
    from rsd_graph.lab.questions.shipped import step_evidence
    from rsd_graph.lab.report.tables import by_dataset

    evidence = await step_evidence(models.stack(len(findings.arms)), exam, findings.records)
    conditions = {
        **decisive(models, run["dataset"], run["seed"], run["judge"]),
        "questions": len(exam.questions),
        **stated(models.prices),
        **environment(),
    }
    if report:
        from rsd_graph.lab.report.page import write_report

        write_report(report, findings, exam, evidence, conditions)
    return {
        "conditions": conditions,
        "excluded": [item.id for item in getattr(exam.questions, "excluded", ())],
        "prm": evidence.as_json() if evidence else None,
        "arms": findings.as_json(),
        "headers": findings.headers,
        "table": findings.cells(),
        "errors": findings.errors(),
        "by_dataset": by_dataset(findings.summaries),
        "published": _published(models, findings) if run["paper"] else [],
    }


def _published(models: Models, findings: Findings) -> list[tuple[str, ...]]:
    """Our accuracies by dataset, and the paper's below them."""
    from rsd_graph.chat_models.naming import model_name
    from rsd_graph.lab.report.published import beside_published

    seats = [model_name(models.seats[role]) for role in ("target", "draft", "prm")]
    ours = {
        summary.name: {part.name: part.paper_accuracy for part in summary.datasets}
        for summary in findings.summaries
    }
    return beside_published(ours, seats)
