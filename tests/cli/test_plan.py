"""`rsd-graph plan`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.lab.step_statistics import StepStatistics

ASKED = [
    "plan",
    "--draft",
    "1.5B",
    "--target",
    "7B",
    "--prm",
    "Skywork-o1-Open-PRM-Qwen-2.5-1.5B",
    "--gpus",
    "3",
]


def test_it_says_whether_rsd_pays_and_what_to_start(terminal: CliRunner) -> None:
    """The verdict in the first line, the commands of all three servers below."""
    result = terminal.invoke(app, [*ASKED, "--in-flight", "1", "--rejected", "0.1"])

    assert result.exit_code == 0
    assert result.stdout.startswith("RSD pays on 3 x A100 80GB SXM: ")
    assert "not a measurement" in result.stdout.splitlines()[1]
    started = [line for line in result.stdout.splitlines() if " vllm serve " in line]
    assert len(started) == 3
    assert (
        "rsd-graph split-prm Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B PRM-split" in result.stdout
    )


def test_what_was_measured_of_steps_is_used(terminal: CliRunner, tmp_path: Path) -> None:
    """From a calibration's file; a flag goes before it."""
    measured = StepStatistics(50, 9.0, 31.0, 80.0, 450, 90)
    file = tmp_path / "calibrated.json"
    file.write_text(json.dumps({"steps": asdict(measured)}), encoding="utf-8")
    flags = ["--in-flight", "4", "--statistics", str(file), "--steps", "12", "--json"]

    found = json.loads(terminal.invoke(app, [*ASKED, *flags]).stdout)

    assert (found["steps"], found["step_tokens"], found["question_tokens"]) == (12, 31, 80)
    assert found["rejected"]["low"] < found["rejected"]["value"] == 0.2 < found["rejected"]["high"]


def test_more_than_fits_is_one_line(terminal: CliRunner) -> None:
    """On standard error, with exit code 1."""
    flags = [
        "--draft",
        "7B",
        "--target",
        "72B",
        "--gpus",
        "2",
        "--in-flight",
        "1",
        "--rejected",
        "0.1",
    ]

    result = terminal.invoke(app, ["plan", *flags])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "do not fit on 2 x A100 80GB SXM" in result.stderr
