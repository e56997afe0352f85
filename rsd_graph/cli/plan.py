"""`rsd-graph plan`: does RSD pay on these GPUs, and how are they best divided?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rsd_graph.cli.terminal.flags import AsJson

_MODEL = "A size of Qwen2.5 (7B), a name, or a folder with its config.json."


def plan(
    draft: Annotated[str, typer.Option(help=_MODEL)],
    target: Annotated[str, typer.Option(help=_MODEL)],
    gpus: Annotated[int, typer.Option(help="How many; up to 16.", min=1)],
    prm: Annotated[
        list[str] | None,
        typer.Option(help="The same; again for more to choose from [default: 7B and 1.5B]."),
    ] = None,
    gpu: Annotated[str, typer.Option(help="a100, h100, h200 or l40s.")] = "a100",
    in_flight: Annotated[float | None, typer.Option(help="Answers at work at once.")] = None,
    per_second: Annotated[
        float | None, typer.Option(help="Answers asked for every second, instead.")
    ] = None,
    statistics: Annotated[
        Path | None,
        typer.Option(
            help="Where the next four come from: a file of calibrate, or the answers of batch or "
            "eval --journal."
        ),
    ] = None,
    rejected: Annotated[float | None, typer.Option(help="Share of drafted steps.")] = None,
    steps: Annotated[float | None, typer.Option(help="Of an answer, on average.")] = None,
    step_tokens: Annotated[float | None, typer.Option(help="Of a step.")] = None,
    question_tokens: Annotated[float | None, typer.Option(help="Of a question.")] = None,
    gpu_hour: Annotated[float | None, typer.Option(help="What a GPU costs for an hour.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether RSD pays on your GPUs, and with which flags to start every server.

    A mean-value model of published hardware, checked against a simulation: no measurement.
    What is not stated of the steps is the paper's: 18 of 22 tokens, a question of 120.
    """
    from rsd_graph.cli.terminal.plan import show_plan
    from rsd_graph.lab.planning.advice import advise
    from rsd_graph.lab.planning.models import PRMS, gpu_of, model_of
    from rsd_graph.lab.planning.question import Question, answers_of, traffic_of
    from rsd_graph.lab.planning.report import as_data
    from rsd_graph.lab.step_statistics import read_step_statistics

    workload, share = answers_of(
        read_step_statistics(statistics) if statistics else None,
        rejected=rejected,
        steps=steps,
        step_tokens=step_tokens,
        question_tokens=question_tokens,
    )
    question = Question(
        draft=model_of(draft),
        target=model_of(target),
        prms=[model_of(name) for name in prm or PRMS],
        gpu=gpu_of(gpu),
        count=gpus,
        traffic=traffic_of(in_flight, per_second),
        workload=workload,
        rejected=share,
        gpu_hour=gpu_hour,
    )
    found = as_data(advise(question))
    if as_json:
        print(json.dumps(found))
    else:
        show_plan(found)
