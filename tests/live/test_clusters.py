"""The recipes for Spark and Ray Serve, run as a reader would run them, on this machine alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from rsd_graph import ChatRSD
from rsd_graph.embedded.task import held_out_problems

pytestmark = pytest.mark.live

ROOT = Path(__file__).parents[2]


def printed(venvs: Path, example: str) -> str:
    """What the example says, in the environment that has Spark and Ray."""
    python = venvs / "cluster" / "bin" / "python"
    told = {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": str(python), "RAY_USAGE_STATS_ENABLED": "0"}
    ran = subprocess.run(
        [python, ROOT / "examples" / example],
        env={**os.environ, **told},
        capture_output=True,
        check=True,
        text=True,
        timeout=900,
    )
    return ran.stdout


def test_spark_answers_a_table(venvs: Path) -> None:
    """By `mapInPandas`, each question once and right."""
    expected = {f"story {n}": problem.answer for n, problem in enumerate(held_out_problems(8))}

    lines = [line.rpartition(": ") for line in printed(venvs, "spark_answers.py").splitlines()]

    assert {name: int(answer) for name, _, answer in lines} == expected


def test_ray_serves_our_app(venvs: Path) -> None:
    """OpenAI's client asks through Ray Serve, and gets what `ChatRSD` says."""
    expected = ChatRSD().invoke(held_out_problems(1)[0].question).text

    assert expected in printed(venvs, "ray_serve.py")  # between what Ray says
