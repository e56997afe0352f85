"""`rsd-graph batch`: many questions, every answer kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.journal import Journal

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")

PROBLEMS = held_out_problems(6)


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"id": n, "question": problem.question} for n, problem in enumerate(PROBLEMS)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["batch", *map(str, arguments)])


def kept(path: Path) -> dict[str, Any]:
    """The file's records by question, without its first line, which holds the settings."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    return {record["prompt"]: record for record in map(json.loads, lines) if "prompt" in record}


def test_every_question_gets_its_own_answer(questions: Path, tmp_path: Path) -> None:
    """Each record holds question, answer, steps and ledger; nearly all toy answers are right."""
    result = run(questions, tmp_path / "out.jsonl")

    records = kept(tmp_path / "out.jsonl")
    right = [records[p.question]["answer"] == str(p.answer) for p in PROBLEMS]
    assert result.exit_code == 0
    assert result.stdout.startswith("6 answers in ")
    assert sum(right) >= 5
    assert all(r["steps"] and r["ledger"]["draft"]["calls"] for r in records.values())


def test_a_second_run_asks_only_what_is_missing(questions: Path, tmp_path: Path) -> None:
    """What an interrupted run left stands; the totals are those of one run over everything."""
    out, whole = tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    run(questions, out, "--limit", "4")
    first = out.read_text(encoding="utf-8")

    resumed = json.loads(run(questions, out, "--json").stdout)
    uninterrupted = json.loads(run(questions, whole, "--json").stdout)

    assert out.read_text(encoding="utf-8").startswith(first)
    assert (resumed["already_answered"], resumed["answers"]) == (4, 6)
    assert resumed["steps"] == uninterrupted["steps"]
    assert resumed["ledger"]["accepted_steps"] == uninterrupted["ledger"]["accepted_steps"]
    assert {q: r["text"] for q, r in kept(out).items()} == {
        q: r["text"] for q, r in kept(whole).items()
    }


def test_a_question_that_cannot_be_answered_is_told_and_asked_again(tmp_path: Path) -> None:
    """One too long for the model ends with exit code 1 and its error; the others are answered."""
    path, out = tmp_path / "questions.jsonl", tmp_path / "out.jsonl"
    rows = [{"question": PROBLEMS[0].question}, {"question": "How many candies? " * 20_000}]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")

    result = run(path, out)
    again = json.loads(run(path, out, "--json").stdout)

    assert result.exit_code == 1
    assert "1 failed, and will be asked again" in result.stdout
    assert "ContextOverflowError" in result.stdout
    assert (again["already_answered"], again["answers"], again["failed"]) == (1, 1, 1)


def test_the_seed_is_an_option_like_others(questions: Path, tmp_path: Path) -> None:
    """Wherever it is said; 0 if nowhere."""
    seeds = []
    for number, env in enumerate(({}, {"RSD_SEED": "5"})):
        out = tmp_path / f"{number}.jsonl"
        arguments = ["batch", str(questions), str(out), "--limit", "1"]
        assert CliRunner().invoke(app, arguments, env=env).exit_code == 0
        seeds.append(json.loads(out.read_text(encoding="utf-8").splitlines()[0])["config"]["seed"])

    assert seeds == [0, 5]


def test_answers_of_other_settings_are_not_mixed_in(questions: Path, tmp_path: Path) -> None:
    """Another delta is another run: the file is refused, and says why."""
    out = tmp_path / "out.jsonl"
    run(questions, out, "--limit", "1")

    result = run(questions, out, "--delta", "0.9")

    assert result.exit_code == 1
    assert "answers of another configuration" in result.stderr


def test_a_question_may_hold_separators_that_end_no_line(tmp_path: Path) -> None:
    """The answers are kept, read by `splitlines`, and resumed."""
    path, out = tmp_path / "questions.jsonl", tmp_path / "out.jsonl"
    texts = [PROBLEMS[0].question.replace(" ", sign, 1) for sign in ("\u2028", "\u2029", "\u0085")]
    path.write_text("\n".join(json.dumps({"question": text}) for text in texts))

    run(path, out)
    again = json.loads(run(path, out, "--json").stdout)

    assert (again["already_answered"], again["failed"]) == (3, 0)
    assert sorted(kept(out)) == sorted(texts)


def test_the_questions_are_never_taken_for_answers(questions: Path) -> None:
    """A file that is not ours is refused as it is."""
    before = questions.read_bytes()

    result = run(questions, questions)

    assert result.exit_code == 1
    assert "is no journal" in result.stderr
    assert questions.read_bytes() == before


def test_two_runs_do_not_write_one_file(questions: Path, tmp_path: Path) -> None:
    """The second ends with one line, before anything is asked."""
    out = tmp_path / "out.jsonl"
    with Journal(out, {}):
        result = run(questions, out)

    assert result.exit_code == 1
    _, error = result.stderr.splitlines()  # the first names the models
    assert error.startswith(f"error: {out} is in use")


LIMITED = """
import resource, sys
from rsd_graph.cli import main

resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.argv[0:2] = ["rsd-graph"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits the size of files")
def test_a_file_that_cannot_grow_ends_the_run_with_one_line(
    questions: Path, tmp_path: Path
) -> None:
    """As a full disk does: the kernel cuts a write short. Nothing is lost, and all is resumed."""
    out, whole = tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    run(questions, whole)
    room = len(whole.read_bytes()) // 2
    command = [sys.executable, "-c", LIMITED, str(room), "batch", questions, out]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}

    stopped = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    answered = kept(out)
    resumed = json.loads(run(questions, out, "--json").stdout)

    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr.partition("\n")[2] == (
        f"error: {out} cannot be written: File too large. "
        "Every answer in it is kept: make room, and the same command goes on there.\n"
    )
    assert 0 < len(answered) < 6
    assert (resumed["already_answered"], resumed["answers"]) == (len(answered), 6)
    assert {q: r["text"] for q, r in kept(out).items()} == {
        q: r["text"] for q, r in kept(whole).items()
    }
