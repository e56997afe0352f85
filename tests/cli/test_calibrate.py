"""`rsd-graph calibrate`, from prompts to a file `ChatRSD` reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rsd_graph import ChatRSD
from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.stacks.calibrated import calibrated_delta

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
    assert found["check"] is None
    assert "target" not in found
    assert found["reliability"] is None


def questions(path: Path, count: int = 40) -> Path:
    rows = [{"question": p.question, "answer": p.answer} for p in PROBLEMS[:count]]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_golds_add_accuracy_and_reliability(tmp_path: Path) -> None:
    """With question and answer on each line, the sweep says how often the draft alone is right."""
    pytest.importorskip("math_verify")
    file = questions(tmp_path / "prompts.jsonl")

    result = run(file, "--gamma", "0.4", "--out", tmp_path / "out.json", "--json")

    found = json.loads(result.stdout)
    shares = [point["draft_alone"] for point in found["sweep"]]
    assert shares == sorted(shares, reverse=True)
    assert 0 < found["sweep"][0]["draft_alone_accuracy"] <= 1
    assert sum(entry["count"] for entry in found["reliability"]["bins"]) == 40
    values = found["reliability"]["isotonic"]["values"]
    assert list(values) == sorted(values)


def test_an_accuracy_asks_the_target_and_is_checked_on_held_out_prompts(tmp_path: Path) -> None:
    """The cheapest delta that reaches it; then RSD really runs, and both stand side by side."""
    pytest.importorskip("math_verify")
    file, out = questions(tmp_path / "prompts.jsonl", 20), tmp_path / "out.json"

    result = run(file, "--accuracy", "0.5", "--confidence", "0.8", "--out", out)

    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["objective"] == {"kind": "accuracy", "goal": 0.5, "confidence": 0.8}
    assert found["accuracy_bound"] >= 0.5
    assert found["cost_unit"] == "FLOPs in full"
    assert found["target_alone"]["cost"] > found["sweep"][0]["cost"] > 0
    assert found["check"]["prompts"] == 6
    assert 0 <= found["check"]["accuracy"]["measured"]["value"] <= 1
    assert found["check"]["cost"]["measured"]["value"] > 0
    assert "RSD on 6 held-out prompts" in result.stdout
    assert "estimates assume that a question with a rewritten step ends like" in result.stdout
    assert calibrated_delta(out, "embedded:prm") == found["delta"]


def test_the_best_value_by_a_price_list(tmp_path: Path) -> None:
    """Prices in the stack make the costs money."""
    pytest.importorskip("math_verify")
    stack = tmp_path / "rsd.toml"
    stack.write_text(
        """
        [stacks.shipped]
        draft = "embedded:draft"
        target = "embedded:target"
        prm = "embedded:prm"
        prices = { draft = 1, target = 10, prm = 1 }
        """
    )
    file = questions(tmp_path / "prompts.jsonl", 10)
    options = ["--best-value", "--no-check", "--config", stack, "--out", tmp_path / "out.json"]

    found = json.loads(run(file, *options, "--json").stdout)

    assert found["cost_unit"] == "money"
    assert found["check"] is None
    value = found["estimate"]["accuracy"]["value"] / found["estimate"]["cost"]
    assert found["objective"]["kind"] == "best value"
    assert value > 0
    assert 0 < found["estimate"]["cost"] < 1


def test_a_budget_can_be_checked_and_costed_too(tmp_path: Path) -> None:
    """Without golds, too: --ask-target adds costs and seconds, and RSD is run on the rest."""
    prompts = "\n".join(json.dumps(problem.question) for problem in PROBLEMS[:10])
    options = ["--target-share", "0.5", "--confidence", "0.5", "--ask-target"]

    result = run("-", *options, "--out", tmp_path / "out.json", "--json", asked=prompts)

    found = json.loads(result.stdout)
    assert all(point["cost"] > 0 and point["seconds"] > 0 for point in found["sweep"])
    assert all(point["accuracy"] is None for point in found["sweep"])
    assert found["check"]["accuracy"] is None
    assert 0 <= found["check"]["target_share"]["measured"]["value"] <= 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--accuracy", "0.9"], "error: the objective accuracy needs to know what is right."),
        (["--accuracy", "2"], "error: a goal of 2.0 for accuracy."),
        (["--target-share", "1.5"], "error: a goal of 1.5 for target share."),
    ],
)
def test_what_cannot_be_chosen_is_one_line(
    tmp_path: Path, options: list[str], complaint: str
) -> None:
    """On standard error, with exit code 1, and no file is written."""
    result = run("-", *options, "--out", tmp_path / "out.json", asked="What is 1+1?")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(complaint)
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_is_learned_from_prompts_alone(tmp_path: Path) -> None:
    """No gold is needed; the file works in a string beside the draft it belongs to."""
    prompts = "\n".join(json.dumps(problem.question) for problem in PROBLEMS)
    out = tmp_path / "learned.json"

    result = run("-", "--learn", "--slip", "0.1", "--out", out, asked=prompts)

    assert result.exit_code == 0, result.output
    assert f"use it with --prm cascade:learned:{out},PRM" in result.stdout
    found = json.loads(out.read_text())
    assert (found["draft"], found["held_out"]["prompts"]) == ("embedded:draft", 12)
    llm = ChatRSD(
        draft="embedded:draft?logprobs=on",
        target="embedded:target",
        prm=f"cascade:learned:{out},embedded:prm",
    )
    books = llm.invoke(PROBLEMS[0].question).response_metadata["rsd"]["ledger"]
    assert books["scored_steps"] == books["prm"]["calls"] < books["drafted_steps"]


def test_golds_can_be_the_labels(tmp_path: Path) -> None:
    """Then the PRM's reward may be weighed, too."""
    pytest.importorskip("math_verify")
    file = questions(tmp_path / "prompts.jsonl")
    options = ["--learn", "--labels", "answers", "--beside-prm", "--json"]

    result = run(file, *options, "--out", tmp_path / "out.json")

    found = json.loads(result.stdout)
    assert found["label"] == "the draft, left alone, answers rightly"
    assert found["weights"]["reward"] > 0


@pytest.mark.parametrize(
    "options",
    [
        ["--learn", "--accuracy", "0.9"],
        ["--learn", "--labels", "votes"],
        ["--labels", "answers"],
        ["--slip", "0.1"],
    ],
)
def test_learning_and_choosing_are_two_things(options: list[str]) -> None:
    """What belongs to the one is wrong usage of the other."""
    assert run("-", *options, asked="What is 1+1?").exit_code == 2


def test_two_objectives_are_wrong_usage() -> None:
    """A budget and an accuracy cannot both decide."""
    result = run("-", "--target-share", "0.1", "--accuracy", "0.9", asked="What is 1+1?")

    assert result.exit_code == 2


def test_a_prompt_may_look_like_json(tmp_path: Path) -> None:
    """A line that starts like JSON but is none is a prompt as it stands."""
    result = run("-", "--out", tmp_path / "out.json", asked='{x} or "y"?')

    assert result.exit_code == 1
    assert "cannot promise a target share of 0.1" in result.stderr  # one prompt was asked


def test_lines_of_csv_are_no_prompts(tmp_path: Path) -> None:
    """Three questions without golds are three prompts, from a file and from standard input."""
    text = "question,level\n" + "".join(f'"{p.question}",1\n' for p in PROBLEMS[:3])
    (tmp_path / "prompts.csv").write_text(text)
    options = ["--target-share", "0.9", "--confidence", "0.1", "--json", "--out", tmp_path / "c"]

    filed = json.loads(run(tmp_path / "prompts.csv", *options).stdout)
    piped = json.loads(run("-", *options, asked=text).stdout)

    assert (filed["prompts"], piped["prompts"]) == (3, 3)
    assert filed["reliability"] is None


def test_a_file_that_is_not_there_is_one_line() -> None:
    """On standard error, with exit code 1."""
    result = run("nowhere.txt")

    assert result.exit_code == 1
    assert result.stderr.startswith(
        "error: There is no dataset, file or folder named 'nowhere.txt'"
    )
    assert result.stderr.count("\n") == 1


def test_a_file_that_is_no_text_is_one_line(tmp_path: Path) -> None:
    """A picture given for prompts is named, without a traceback."""
    (tmp_path / "picture").write_bytes(b"\xff\xd8\xff")

    result = run(tmp_path / "picture")

    assert result.exit_code == 1
    assert result.stderr.startswith(
        f"error: {tmp_path / 'picture'}, line 1, is not UTF-8: the byte"
    )
    assert result.stderr.count("\n") == 1


def test_a_file_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    """Nothing that was there is lost for it."""
    (tmp_path / "file").touch()

    asked = "\n".join(json.dumps(problem.question) for problem in PROBLEMS)
    out, budget = tmp_path / "file" / "c.json", ("--gamma", "0.5", "--confidence", "0.5")

    result = run("-", "--out", out, *budget, asked=asked)

    assert result.exit_code == 1
    assert "cannot be written: File exists." in result.stderr
