"""`rsd-graph eval`, from its options to its numbers."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.embedded.task import held_out_problems
from tests.cli.test_program import hanging_server, seats, start

pytest.importorskip("xllamacpp", reason="the engine is the extra 'embedded'")


def run(*arguments: str | Path) -> Any:
    result = CliRunner().invoke(app, ["eval", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


def dataset(path: Path, count: int) -> Path:
    rows = [{"question": p.question, "answer": p.answer} for p in held_out_problems(count)]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_the_shipped_models_need_no_options() -> None:
    """Draft, target and RSD on held-out problems: a table, the PRM's AUROC, the conditions."""
    lines = run("--limit", "4").stdout.splitlines()

    assert lines[0] == "candies, 4 questions"
    assert [line[:11].strip() for line in lines[2:5]] == ["draft only", "target only", "RSD 0.7"]
    assert lines[5].startswith("PRM step-AUROC")
    assert "xllamacpp" in lines[6]


def test_json_is_one_object_with_everything() -> None:
    """Rows with intervals, costs, levels and the paired difference from the target."""
    found = json.loads(run("--limit", "4", "--arms", "target, rsd:0.8", "--json").stdout)

    target, rsd = found["arms"]
    assert (target["name"], rsd["name"], rsd["delta"]) == ("target only", "RSD 0.8", 0.8)
    assert target["vs_target"] is None
    assert rsd["vs_target"]["p_value"] <= 1.0
    assert 0 < rsd["decode_only"] < rsd["full"]
    assert sum(level["questions"] for level in rsd["levels"]) == 4
    assert found["prm"] is None  # without the draft alone there are no steps to judge it by


def test_any_file_of_questions_is_graded_as_mathematics(tmp_path: Path) -> None:
    """Both verdicts, ours and the paper's, and the same right answers as the exact grading."""
    pytest.importorskip("math_verify")
    file = dataset(tmp_path / "mine.jsonl", 4)

    ours = json.loads(run("--dataset", file, "--arms", "target", "--json").stdout)
    exact = json.loads(run("--limit", "4", "--arms", "target", "--json").stdout)

    assert ours["conditions"]["questions"] == 4
    assert ours["arms"][0]["accuracy"] == exact["arms"][0]["accuracy"]
    assert ours["arms"][0]["paper_accuracy"] == ours["arms"][0]["accuracy"]["value"]


def test_the_paper_preset_asks_as_the_paper_does_and_shows_its_numbers(tmp_path: Path) -> None:
    """The boxed prompt goes to the models; the published rows of that dataset stand below ours."""
    pytest.importorskip("math_verify")
    file = dataset(tmp_path / "gsm8k.jsonl", 1)

    found = json.loads(run("--dataset", file, "--arms", "draft", "--paper", "--json").stdout)
    shown = run("--dataset", file, "--arms", "draft", "--paper").stdout

    assert found["conditions"]["system"].endswith(r"within \boxed{}.")
    assert ["RSD 0.7", "Qwen2.5-Math-72B", "7B", "7B", "96.7"] in found["published"]
    assert "Qwen2.5-Math-72B" in shown


def test_several_datasets_are_one_run_with_a_column_each(tmp_path: Path) -> None:
    """Accuracy by dataset, the paper's numbers below ours where it has them, limits for each."""
    pytest.importorskip("math_verify")
    files = [dataset(tmp_path / name, 4) for name in ("gsm8k.jsonl", "mine.jsonl", "math500.jsonl")]
    names = ",".join(map(str, files))

    found = json.loads(
        run("--dataset", names, "--limit", "2", "--arms", "target", "--paper", "--json").stdout
    )

    headers, ours = found["by_dataset"]
    assert headers == ["accuracy % [95 %]", "gsm8k (2)", "mine (2)", "math500 (2)"]
    assert ours[0] == "target only"
    assert [d["questions"] for d in found["arms"][0]["datasets"]] == [2, 2, 2]
    headers, ours, first, *_ = found["published"]
    assert headers[-2:] == ["math500", "gsm8k"]
    assert ours[:4] == ["here: target only", "embedded:target", "embedded:draft", "embedded:prm"]
    assert first == ["target only", "Qwen2.5-Math-7B", "-", "-", "83.2", "95.7"]


def test_a_journal_is_resumed_and_grows_by_arms(tmp_path: Path) -> None:
    """Adding an arm or questions asks only what is new; another temperature is refused."""
    journal = tmp_path / "answers.jsonl"
    run("--limit", "2", "--arms", "draft", "--journal", journal)
    before = journal.read_text()

    run("--limit", "3", "--arms", "draft,target", "--journal", journal)
    other = CliRunner().invoke(
        app, ["eval", "--limit", "2", "--temperature", "0.5", "--journal", str(journal)]
    )

    assert journal.read_text().startswith(before)
    assert len(journal.read_text().splitlines()) == 1 + 3 + 3
    assert other.exit_code == 1
    assert "another configuration" in other.stderr


def test_the_report_is_one_file_that_needs_no_network(tmp_path: Path) -> None:
    """Table, pictures and transcripts, nothing fetched from anywhere; pictures as PNG beside it."""
    pytest.importorskip("matplotlib")
    page = tmp_path / "report.html"

    run("--limit", "6", "--arms", "draft,target,rsd,rsd:0.9,rsd:0.95", "--report", page)

    text = page.read_text(encoding="utf-8")
    pictures = len(list((tmp_path / "report").glob("*.png")))
    assert text.count(' src="data:image/svg+xml;base64,') == pictures
    assert {"accuracy-against-cost.png", "delta-sweep.png", "levels.png"} <= {
        file.name for file in (tmp_path / "report").iterdir()
    }
    assert re.findall(r' (?:src|href)="(?!data:)|@import|url\(http', text) == []
    assert "candies/5" in text
    assert "#010203" not in text


def test_what_a_model_writes_cannot_break_the_report(tmp_path: Path) -> None:
    """Text of questions and answers is shown, not interpreted."""
    pytest.importorskip("math_verify")
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps({"question": "<script>alert(1)</script> 1+1?", "answer": "2"}))

    run("--dataset", file, "--arms", "draft", "--report", tmp_path / "report.html")

    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "\\u003cscript>alert(1)" in text
    assert "<script>alert(1)" not in text


def test_prices_add_a_column(tmp_path: Path) -> None:
    """Money per 1,000 questions in percent of the target's, in the table, as data, on the page."""
    pytest.importorskip("matplotlib")
    stack, page = tmp_path / "rsd.toml", tmp_path / "report.html"
    stack.write_text(
        """
        [stacks.shipped]
        draft = "embedded:draft"
        target = "embedded:target"
        prm = "embedded:prm"

        [stacks.shipped.prices]
        draft = { input = 0, output = 1 }
        target = { input = 0, output = 1e6 }
        prm = 0
        """
    )
    options = ["--limit", "2", "--arms", "draft,target", "--config", stack]

    found = json.loads(run(*options, "--json", "--report", page).stdout)

    draft, target = found["arms"]
    column = found["headers"].index("cost per 1,000 questions")
    assert draft["money"] == pytest.approx(draft["tokens"]["draft"] / 1e6)
    assert target["money"] == pytest.approx(target["tokens"]["target"])
    assert found["table"][1][column] == f"{1000 * target['money']:,.2f} (100%)"
    assert found["table"][0][column] == f"{1000 * draft['money']:.3g} (0%)"
    assert found["conditions"]["prices"].startswith("draft 0 in 1 out, target 0 in 1e+06 out")
    assert "<th>cost per 1,000 questions</th>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--arms", "draft,best"], "error: there is no arm 'best'."),
        (["--dataset", "nowhere"], "error: There is no dataset, file or folder named 'nowhere'."),
        (["--config", "nowhere.toml"], "error: nowhere.toml cannot be read"),
        (["--dataset", "OPEN"], "error: Question open/0 has no gold answer"),
    ],
)
def test_what_cannot_be_measured_is_refused_at_once(
    tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    """One line, before any model is asked."""
    (tmp_path / "open.jsonl").write_text(json.dumps({"instruction": "Write a poem."}))
    given = [str(tmp_path / "open.jsonl") if word == "OPEN" else word for word in arguments]

    result = CliRunner().invoke(app, ["eval", *given])

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(complaint)


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
async def test_ctrl_c_keeps_the_answers_and_says_so(tmp_path: Path) -> None:
    """The requests in flight are closed, the exit code is 130, and the journal is named."""
    journal = tmp_path / "answers.jsonl"
    async with hanging_server() as (url, asked, left):
        options = ["--limit", "2", "--arms", "draft", "--journal", str(journal)]
        program = await start("eval", *seats(url), *options)
        await asked.wait()
        program.send_signal(signal.SIGINT)
        await left.wait()

        output, errors = await program.communicate()

    assert (program.returncode, output) == (130, b"")
    assert errors.decode().splitlines() == [
        f"draft {url}, target {url}, prm {url}",
        f"{journal} keeps every answer; the same command goes on from there",
    ]
    assert json.loads(journal.read_text())["config"]["dataset"] == "candies"


def test_a_stack_from_a_file_and_answers_that_fail(tmp_path: Path) -> None:
    """Failures count as wrong and are told, not hidden; an arm without answers is exit code 1."""
    stack = tmp_path / "rsd.toml"
    stack.write_text(
        """
        [endpoints.nobody]
        url = "llamacpp+http://127.0.0.1:9"
        max_retries = 0

        [stacks.only]
        draft = "nobody"
        target = "nobody"
        prm = "nobody"
        """
    )

    options = ["--limit", "1", "--arms", "target", "--config", str(stack)]
    result = CliRunner().invoke(app, ["eval", *options])

    assert result.exit_code == 1
    assert "target only (1 failed)" in result.stdout
    assert "target only failed, first by EndpointConnectionError" in result.stdout


@pytest.mark.parametrize("command", [["eval"], ["batch", "in.jsonl", "out.jsonl"]])
def test_nothing_to_ask_is_wrong_usage(command: list[str]) -> None:
    """No table of nothing."""
    result = CliRunner().invoke(app, [*command, "--limit", "0"])

    assert result.exit_code == 2
    assert "Invalid value for '--limit'" in result.stderr
