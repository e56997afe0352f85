"""`rsd-graph eval`: measure RSD and its rivals, with the shipped models or with yours."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rsd_graph.cli.terminal.flags import OPTIONS, AsJson, System, stack_options, takes

if TYPE_CHECKING:
    from rsd_graph.cli.terminal.evaluation import Evaluation
    from rsd_graph.lab.exam import Exam
    from rsd_graph.lab.experiment import Experiment
    from rsd_graph.lab.report.findings import Findings

_ARMS_HELP = (
    "Comma-separated: draft, target, rsd, rsd:0.8, constant:0.9, clipping, sigmoidal, "
    "logistic:10:0.7, random:0.2, share:0.1, difficulty:0.9:0.5, majority:16, best-of:16, "
    "process-best-of:8, beam:4x4, oracle, gsi:4, specreason, served:ENDPOINT, "
    "verdict:DELTA:SCORER, phases:DELTA:DELTA:SCORER, glimprouter:1.0, confspec:3:7, specguard:4."
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
        int | None, typer.Option(help="How many questions of each dataset; candies: 300.", min=1)
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
    Exit code 1 if an arm has no answer at all.
    """
    if paper:
        from rsd_graph.lab.report.published import BOXED_PROMPT, DATASETS

        system, dataset = system or BOXED_PROMPT, dataset or ",".join(DATASETS)
    from rsd_graph.cli.terminal.evaluation import show_evaluation
    from rsd_graph.lab.experiment import Experiment
    from rsd_graph.lab.questions.candies import NAME

    options = stack_options(context)
    seed = options.get("seed", 0)
    experiment = Experiment(options, dataset or NAME, system, seed, judge)
    run = _run(
        experiment, arms.split(","), limit, concurrency, journal, report, paper=paper, quiet=as_json
    )
    try:
        found = asyncio.run(run)
    except KeyboardInterrupt:
        if journal:
            sys.stderr.write(f"{journal} keeps every answer; the same command goes on from there\n")
        raise
    if as_json:
        print(json.dumps(found))
    else:
        show_evaluation(found)
    if any(arm["failures"] == found["conditions"]["questions"] for arm in found["arms"]):
        raise typer.Exit(1)


async def _run(
    experiment: Experiment,
    arms: list[str],
    limit: int | None,
    concurrency: int,
    journal: Path | None,
    report: Path | None,
    *,
    paper: bool,
    quiet: bool,
) -> Evaluation:
    """Everything between the options and the numbers."""
    import tempfile

    from rsd_graph.cli.terminal.progress import EvaluationProgress
    from rsd_graph.cli.terminal.questions import note_on_scope
    from rsd_graph.lab.arms.catalog import named_arm
    from rsd_graph.lab.journal import Journal
    from rsd_graph.lab.report.findings import Findings
    from rsd_graph.lab.runner import answer_all

    with ExitStack() as opened:
        exam = _exam(experiment, limit, opened)
        note_on_scope(exam.questions, experiment.settings)
        made = [
            named_arm(name.strip(), experiment.setup(number), exam.extract)
            for number, name in enumerate(arms)
        ]
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        path = journal or folder / "answers.jsonl"
        book = opened.enter_context(Journal(path, experiment.identity))
        progress = EvaluationProgress([a.name for a in made], len(exam.questions), quiet=quiet)
        for record in book.answers:
            progress.add(record)
        opened.enter_context(progress)
        findings = Findings()
        for arm in made:
            records = await answer_all(
                arm,
                exam.questions,
                exam.grade,
                book,
                concurrency=concurrency,
                seed=experiment.seed,
                progress=progress.add,
                check_steps=exam.check_steps,
            )
            findings = findings.with_arm(arm, records, experiment.accounting)
        return await _evaluation(experiment, exam, findings, report, paper=paper)


def _exam(experiment: Experiment, limit: int | None, opened: ExitStack) -> Exam:
    """The questions and their judge; whatever it opens is closed with *opened*."""
    from rsd_graph.lab.exam import candies_exam, dataset_exam, open_exam
    from rsd_graph.lab.grading.workers import Grader
    from rsd_graph.lab.questions.candies import NAME
    from rsd_graph.lab.questions.datasets import load_datasets
    from rsd_graph.lab.questions.rows import read_prompt
    from rsd_graph.providers.registry import reward_model

    names = experiment.dataset.split(",")
    if experiment.judge:
        questions = load_datasets(names, limit=limit, read=read_prompt)
        return open_exam(questions, reward_model(experiment.judge))
    if names == [NAME]:
        return candies_exam(limit, experiment.seed)
    return dataset_exam(load_datasets(names, limit=limit), opened.enter_context(Grader()))


async def _evaluation(
    experiment: Experiment, exam: Exam, findings: Findings, report: Path | None, *, paper: bool
) -> Evaluation:
    """The numbers as plain data, and the HTML page if one is wanted."""
    from rsd_graph.answer.prices import stated
    from rsd_graph.lab.calibration.step_evidence import step_evidence
    from rsd_graph.lab.experiment import environment
    from rsd_graph.lab.report.page import write_report
    from rsd_graph.lab.report.published import beside_published

    summaries = findings.summaries
    evidence = await step_evidence(experiment.setup(len(summaries)), exam, findings.records)
    conditions = {
        **experiment.identity,
        "questions": len(exam.questions),
        **stated(experiment.options.prices),
        **environment(),
    }
    if report:
        write_report(report, findings, exam, evidence, conditions)
    return {
        "conditions": conditions,
        "excluded": [item.id for item in getattr(exam.questions, "excluded", ())],
        "prm": evidence.as_json() if evidence else None,
        "arms": findings.as_json(),
        "headers": findings.headers,
        "table": findings.cells(),
        "errors": findings.errors(),
        "by_dataset": findings.by_dataset(),
        "published": beside_published(summaries, experiment.model_names) if paper else [],
    }
