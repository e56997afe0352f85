"""`rsd-graph view` and `solve --view`: the page is written where it was said, and opened."""

from __future__ import annotations

import json
import webbrowser
from importlib import resources
from pathlib import Path
from urllib.request import url2pathname

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.viewer import reading
from rsd_graph.viewer.serving import PageServer
from tests.cli.test_solve import QUESTION
from tests.viewer.answers import answer


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Addresses that were opened in the browser."""
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", found.append)
    return found


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    file = tmp_path / "journal.jsonl"
    file.write_text(json.dumps(answer(0)) + "\n" + json.dumps(answer(1)) + "\n", "utf-8")
    return file


def content_of(address: str) -> str:
    """What stands in the file of an address."""
    return Path(url2pathname(address.removeprefix("file://"))).read_text(encoding="utf-8")


def check(record: object) -> None:
    """Raise what `rsd-trace/1` has against it."""
    schema = resources.files("rsd_graph.viewer") / "rsd-trace-1.schema.json"
    Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(record)


def test_a_page_is_written_where_it_was_said(
    terminal: CliRunner, journal: Path, opened: list[str], tmp_path: Path
) -> None:
    """Its place is printed, and nothing is opened."""
    place = tmp_path / "page.html"

    result = terminal.invoke(app, ["view", str(journal), "--out", str(place)])

    assert (result.stdout, opened) == (f"{place}\n", [])
    assert "question 1" in place.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written(terminal: CliRunner, journal: Path, tmp_path: Path) -> None:
    """One line that says so."""
    result = terminal.invoke(app, ["view", str(journal), "--out", str(tmp_path)])

    assert (result.exit_code, "cannot be written" in result.stderr) == (1, True)


def test_a_page_is_either_written_or_served(
    terminal: CliRunner, journal: Path, tmp_path: Path
) -> None:
    """Nobody waits for a file that never comes."""
    both = ["--serve", "--out", str(tmp_path / "page.html")]

    result = terminal.invoke(app, ["view", str(journal), *both])

    assert (result.exit_code, "writes no page" in result.stderr) == (1, True)


def test_a_large_file_is_served(
    terminal: CliRunner, journal: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being asked to; its address is printed and opened."""
    monkeypatch.setattr(reading, "LARGE_BYTES", 10)
    monkeypatch.setattr(PageServer, "serve_forever", lambda self: None)

    result = terminal.invoke(app, ["view", str(journal), "--open"])

    assert result.stdout.startswith("http://127.0.0.1:")
    assert opened == [result.stdout.strip()]


def test_solve_opens_its_answer(terminal: CliRunner, stack: list[str], opened: list[str]) -> None:
    """The page holds the question and the steps; the terminal says what it always says."""
    result = terminal.invoke(app, ["solve", QUESTION, *stack, "--plain", "--view"])

    assert result.exit_code == 0
    assert "answer  " in result.stdout
    assert QUESTION in content_of(opened[0])


def test_solve_prints_a_trace(terminal: CliRunner, stack: list[str]) -> None:
    """With its question and delta."""
    found = json.loads(terminal.invoke(app, ["solve", QUESTION, *stack, "--json"]).stdout)

    check(found)
    assert (found["prompt"], found["delta"]) == (QUESTION, 0.7)


@pytest.mark.parametrize("command", ["batch", "eval"])
def test_journals_are_traces(
    command: str, terminal: CliRunner, stack: list[str], tmp_path: Path
) -> None:
    """Every line after the first, of both programs."""
    questions, answers = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    questions.write_text(json.dumps({"question": QUESTION, "answer": "7"}) + "\n")
    arguments = {
        "batch": [str(questions), str(answers)],
        "eval": ["--limit", "1", "--journal", str(answers)],
    }

    result = terminal.invoke(app, [command, *arguments[command], *stack])

    assert result.exit_code == 0, result.stderr
    lines = [json.loads(line) for line in answers.read_text(encoding="utf-8").splitlines()]
    assert len(lines) > 1
    for line in lines[1:]:
        check(line)
