"""`rsd-graph batch`: many questions, every answer kept."""

from __future__ import annotations

import json
import os
import re
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
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "PYTHONDONTWRITEBYTECODE": "1",  # or Python keeps what it could compile only half
    }

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


REQUEST = {"model": "rsd-shipped", "messages": [{"role": "user", "content": "?"}]}


def request_line(name: str, **body: object) -> str:
    """A line of OpenAI's batch format."""
    place = {"method": "POST", "url": "/v1/chat/completions"}
    return json.dumps({"custom_id": name, **place, "body": {**REQUEST, **body}})


def test_shards_of_a_folder_are_merged_into_what_one_run_writes(
    questions: Path, tmp_path: Path
) -> None:
    """The same answers, whoever asked for them; the flags are those of the files in deploy/."""
    parts, whole, merged = tmp_path / "parts", tmp_path / "whole.jsonl", tmp_path / "all.jsonl"
    run(questions, whole)
    codes = [
        run(
            questions, "--out-dir", parts, "--shard", f"{index}/2", "--max-seconds", "600"
        ).exit_code
        for index in range(2)
    ]

    result = CliRunner().invoke(app, ["merge", str(parts), "--out", str(merged)])

    assert (codes, result.exit_code) == ([0, 0], 0)
    assert result.stdout == f"6 answers of 2 shards in {merged}; 0 failed, 0 were not asked\n"
    assert {q: r["text"] for q, r in kept(merged).items()} == {
        q: r["text"] for q, r in kept(whole).items()
    }


def test_a_batch_without_time_says_what_is_left(questions: Path, tmp_path: Path) -> None:
    """Its exit code is the system's word for "try again later"."""
    result = run(questions, tmp_path / "out.jsonl", "--max-seconds", "0")

    assert result.exit_code == 75
    assert "--max-seconds is used up: 6 questions were not asked" in result.stdout


@pytest.mark.parametrize(
    ("flags", "complaint"),
    [
        (["--shard", "2/2", "--out-dir", "parts"], "there is no shard 2/2"),
        (["--max-cost", "1", "out.jsonl"], "what answers cost is not known"),
        ([], "name ANSWERS or --out-dir"),
        (["out.jsonl", "--out-dir", "parts"], "name ANSWERS or --out-dir"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_is_written(
    questions: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    complaint: str,
) -> None:
    """Before a model is asked."""
    monkeypatch.chdir(tmp_path)

    result = run(questions, *flags)

    assert result.exit_code in (1, 2)
    assert complaint in " ".join(result.stderr.split())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["questions.jsonl"]


def test_requests_in_openais_format_are_answered_in_it(tmp_path: Path) -> None:
    """Each line under its custom_id, with the fields of its body honoured."""
    pytest.importorskip("starlette", reason="the server is the extra 'serve'")
    path, out, merged = (tmp_path / name for name in ("in.jsonl", "journal.jsonl", "out.jsonl"))
    story = [{"role": "user", "content": PROBLEMS[0].question}]
    path.write_text(
        request_line("a", messages=story) + "\n" + request_line("b", messages=story, max_tokens=5)
    )

    run(path, out)
    CliRunner().invoke(app, ["merge", str(out), "--out", str(merged)])
    first, short = sorted(
        (json.loads(line) for line in merged.read_text().splitlines()), key=lambda r: r["custom_id"]
    )

    assert (first["custom_id"], first["error"]) == ("a", None)
    assert first["response"]["status_code"] == 200
    written = first["response"]["body"]["choices"][0]["message"]["content"]
    assert f"\\boxed{{{PROBLEMS[0].answer}}}" in written
    assert short["response"]["body"]["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            request_line("a", logprobs=True),
            "logprobs is not supported.* field logprobs of its body",
        ),
        (request_line("a", service_tier="flex"), "service_tier means nothing in a batch"),
        (request_line("a", stream=True), "field stream of its body"),
        (request_line("a", model="gpt-5"), "no model 'gpt-5'.* field model"),
        (request_line("a", temperature=3), "field temperature of its body"),
        (request_line("a", n=2), "n > 1 needs temperature"),
        (request_line("a").replace("/v1/chat/completions", "/v1/embeddings"), "url '/v1/embedd"),
        (request_line("a").replace("POST", "GET"), "the method 'GET'"),
        (request_line("a") + "\n" + request_line("a"), "id 'in/a' occurs twice"),
    ],
)
def test_a_request_that_cannot_be_honoured_is_refused_by_its_field(
    tmp_path: Path, line: str, complaint: str
) -> None:
    """With its line, before anything is asked; no field is ever passed over in silence."""
    pytest.importorskip("starlette", reason="the server is the extra 'serve'")
    (tmp_path / "in.jsonl").write_text(line)

    result = run(tmp_path / "in.jsonl", tmp_path / "out.jsonl")

    assert result.exit_code == 1
    assert re.search(complaint, result.stderr)
    assert not (tmp_path / "out.jsonl").exists()


def test_questions_are_read_from_parquet(tmp_path: Path) -> None:
    """A table with the same columns as a line of JSON has fields."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet'")
    pyarrow = pytest.importorskip("pyarrow")
    rows = [{"id": "a", "question": PROBLEMS[0].question}]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "q.parquet")

    run(tmp_path / "q.parquet", tmp_path / "out.jsonl")

    assert kept(tmp_path / "out.jsonl")[PROBLEMS[0].question]["question"] == "q/a"
