"""`rsd-graph calibrate`, from prompts to a file `ChatRSD` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rsd_graph.calibrated import calibrated_delta
from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")
PROBLEMS = held_out_problems(40, seed=2)


def run(*arguments: str | Path, asked: str | None = None) -> Any:
    return CliRunner().invoke(app, ["calibrate", *map(str, arguments)], input=asked)


def test_prompts_become_a_delta_for_this_prm(tmp_path: Path) -> None:
    """Prompts of several lines are JSON strings; the file holds the delta, for this PRM."""
    prompts = "\n".join(json.dumps(problem.question) for problem in PROBLEMS)
    out = tmp_path / "calibrated.json"

    result = run("-", "--gamma", "0.4", "--out", out, asked=prompts)

    assert result.exit_code == 0, result.output
    assert f"written to {out}" in result.stdout
    found = json.loads(out.read_text())
    assert calibrated_delta(out, "embedded:prm") == found["delta"]
    assert found["choice"]["share_bound"] <= 0.4
    assert found["prompts"] == 40
    assert found["reliability"] is None


def test_golds_add_accuracy_and_reliability(tmp_path: Path) -> None:
    """With question and answer on each line, the sweep says how often the draft alone is right."""
    pytest.importorskip("math_verify")
    file = tmp_path / "prompts.jsonl"
    rows = [{"question": p.question, "answer": p.answer} for p in PROBLEMS]
    file.write_text("\n".join(map(json.dumps, rows)))

    result = run(file, "--gamma", "0.4", "--out", tmp_path / "out.json", "--json")

    found = json.loads(result.stdout)
    shares = [point["draft_alone"] for point in found["sweep"]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < found["sweep"][0]["draft_alone_accuracy"] <= 1
    assert sum(entry["count"] for entry in found["reliability"]["bins"]) == 40
    values = found["reliability"]["isotonic"]["values"]
    assert list(values) == sorted(values)


def test_a_prompt_may_look_like_json(tmp_path: Path) -> None:
    """A line that starts like JSON but is none is a prompt as it stands."""
    result = run("-", "--out", tmp_path / "out.json", asked='{x} or "y"?')

    assert result.exit_code == 1
    assert "cannot promise a target share of 0.1" in result.stderr  # one prompt was asked


def test_a_file_that_is_not_there_is_one_line() -> None:
    """On standard error, with exit code 1."""
    result = run("nowhere.txt")

    assert result.exit_code == 1
    assert result.stderr == "error: nowhere.txt cannot be read: No such file or directory.\n"
