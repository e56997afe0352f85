"""`rsd-graph solve`, over real llama.cpp servers."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.cli.terminal.flags import spoken
from rsd_graph.embedded.scope import SCOPE
from rsd_graph.embedded.task import held_out_problems

QUESTION = "What is 3+4?"
ESCAPE = "\x1b"


def test_an_accepted_answer(terminal: CliRunner, stack: list[str]) -> None:
    """One line a step, the answer, and what it cost; nothing twice, no colour in a pipe. On
    standard error: which models these are.
    """
    result = terminal.invoke(app, ["solve", QUESTION, *stack])

    assert result.exit_code == 0
    assert re.sub(r"\d+ ms", "N ms", result.stdout) == (
        "draft   0.75 accepted   First, 3+4=7.\n"
        "draft   0.75 accepted   So 7.\n"
        "\n"
        "answer  So 7.\n"
        "cost    2 steps, 100% of the drafts accepted; "
        "tokens written: draft 4, target 0, prm 6; N ms\n"
    )
    assert result.stderr == f"draft {stack[1]}, target {stack[3]}, prm {stack[5]}\n"


def test_a_rejected_step(terminal: CliRunner, stack: list[str]) -> None:
    """The rejected draft is shown with its reward, then what the target wrote instead."""
    result = terminal.invoke(app, ["solve", QUESTION, *stack, "--delta", "0.8"])

    assert result.stdout.splitlines()[:2] == [
        "draft   0.75 rejected   First, 3+4=7.",
        "target       rewritten  First, 3+4=7.",
    ]


def test_colours_on_a_terminal(terminal: CliRunner, stack: list[str]) -> None:
    """Green is accepted, red and struck through is rejected, cyan is the target's."""
    colour = {"FORCE_COLOR": "1", "TERM": "xterm-256color"}

    kept = terminal.invoke(app, ["solve", QUESTION, *stack], env=colour)
    rejected = terminal.invoke(app, ["solve", QUESTION, *stack, "--delta", "0.8"], env=colour)

    assert "accepted   \x1b[32mFirst, 3+4=7.\x1b[0m" in kept.stdout
    assert "rejected   \x1b[9;31mFirst, 3+4=7.\x1b[0m" in rejected.stdout
    assert "rewritten  \x1b[36mFirst, 3+4=7.\x1b[0m" in rejected.stdout


@pytest.mark.parametrize(
    ("options", "env"), [(["--plain"], {}), ([], {"NO_COLOR": "1"}), (["--json"], {})]
)
def test_no_escape_codes(
    terminal: CliRunner, stack: list[str], options: list[str], env: dict[str, str]
) -> None:
    """`--plain`, `NO_COLOR` and `--json` hold even on a terminal."""
    result = terminal.invoke(
        app, ["solve", QUESTION, *stack, *options], env={"FORCE_COLOR": "1", **env}
    )

    assert result.exit_code == 0
    assert ESCAPE not in result.stdout


def test_json_is_one_object(terminal: CliRunner, stack: list[str]) -> None:
    """Programs get everything, and nothing but it."""
    result = terminal.invoke(app, ["solve", QUESTION, *stack, "--delta", "0.8", "--json"])

    found = json.loads(result.stdout)
    assert result.stderr == ""
    assert found["answer"] == "So 7."
    assert found["text"] == "First, 3+4=7.\n\nSo 7."
    assert found["steps"][0] == {
        "text": "First, 3+4=7.",
        "source": "target",
        "reward": pytest.approx(0.75, abs=0.001),
        "accepted": False,
        "ended": "separator",
        "tokens": 2,
        "ms": found["steps"][0]["ms"],
        "spans": found["steps"][0]["spans"],
        "rejected_text": "First, 3+4=7.",
    }
    assert found["ledger"]["discarded_draft_tokens"] == 4
    assert found["acceptance_rate"] == 0.0
    assert found["finish_reason"] == "stop"
    assert (found["flops"], found["cost"]) == (None, None)


def test_a_stack_says_what_its_models_cost(
    terminal: CliRunner, bigram: str, tmp_path: Path
) -> None:
    """Parameters give FLOPs and prices give money, on the cost line and in the object."""
    file = tmp_path / "rsd.toml"
    file.write_text(
        f"""
        [endpoints.bigram]
        url = "{bigram}"
        parameters = 1000

        [stacks.only]
        draft = "bigram"
        target = "bigram"
        prm = "bigram"
        prices = {{ draft = {{ input = 0, output = 1000 }}, target = 0, prm = 0 }}
        """
    )

    shown = terminal.invoke(app, ["solve", QUESTION, "--config", str(file)])
    found = json.loads(
        terminal.invoke(app, ["solve", QUESTION, "--config", str(file), "--json"]).stdout
    )

    assert "0.004 at your prices" in shown.stdout.splitlines()[-1]
    assert found["cost"] == pytest.approx(0.004)  # 4 draft tokens at 1000 per million
    assert found["flops"]["decode_only"] == 2 * 1000 * (4 + 6)


def test_a_system_prompt_is_read_before_the_question(terminal: CliRunner, stack: list[str]) -> None:
    """All of its tokens are in the prompt, and the question is answered as before."""

    def solve(*more: str) -> dict[str, Any]:
        result = terminal.invoke(app, ["solve", "What is 3+4?", "--json", *stack, *more])
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    bare, told = solve(), solve("--system", "la la la ")

    read = [found["ledger"]["draft"]["prompt_tokens"] for found in (bare, told)]
    assert told["answer"] == bare["answer"]
    assert read[1] > read[0]


def test_the_question_can_be_piped_in(terminal: CliRunner, stack: list[str]) -> None:
    """`-` reads standard input."""
    result = terminal.invoke(app, ["solve", "-", *stack], input=QUESTION)

    assert "answer  So 7." in result.stdout


def test_an_answer_that_was_cut_says_so(terminal: CliRunner, stack: list[str]) -> None:
    """A budget never looks like an end."""
    result = terminal.invoke(app, ["solve", QUESTION, *stack, "--max-steps", "1"])

    assert "ended   by max_steps, before the model finished\n" in result.stdout


def test_the_shipped_models_need_no_options(terminal: CliRunner) -> None:
    """Without endpoints it runs on the models that come with the package, FLOPs included."""
    pytest.importorskip("xllamacpp")
    (problem,) = held_out_problems(1)

    found = json.loads(terminal.invoke(app, ["solve", problem.question, "--json"]).stdout)

    assert found["answer"] == str(problem.answer)
    assert 0 < found["flops"]["decode_only"] < found["flops"]["full"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["  "], "error: The question is empty."),
        (["q", "--draft", "nonsense"], "error: draft at nonsense: this is not an endpoint string."),
        (["q", "--prm", "embedded:/nowhere.gguf"], "error: embedded:/nowhere.gguf is not there"),
        (["q", "--delta", "7"], "error: prm: --delta 7.0 is outside the PRM's reward range"),
        (["q", "--delta", "no.json"], "error: no.json cannot be read: No such file or directory"),
        (["q", "--delta", "0.5", "--accept", "clipping()"], "error: delta and accept contradict"),
        (["q", "--accept", "logistic(alpha=3, delta=7)"], "error: prm: --delta 7.0 is outside"),
    ],
)
def test_a_failure_is_one_line(
    terminal: CliRunner, stack: list[str], arguments: list[str], complaint: str
) -> None:
    """On standard error, with exit code 1; standard output stays empty, with --json too."""
    result = terminal.invoke(app, ["solve", *stack, *arguments, "--json"])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith(complaint)
    assert result.stderr.count("\n") == 1


def test_wrong_usage(terminal: CliRunner) -> None:
    """A wrong command line is exit code 2, as everywhere."""
    assert terminal.invoke(app, ["solve"]).exit_code == 2


@pytest.mark.parametrize("command", [["solve", "q"], ["batch", "in.jsonl", "out.jsonl"], ["eval"]])
@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--delta", "high"),
        ("--accept", "logistc(alpha=3)"),
        ("--temperature", "9"),
        ("--max-steps", "0"),
        ("--lookahead", "far"),
        ("--hedge", "2"),
        ("--max-waste", "-1"),
    ],
)
def test_a_flag_that_cannot_be_used_is_wrong_usage(
    terminal: CliRunner, command: list[str], flag: str, value: str
) -> None:
    """Named as it was typed, never as Python would."""
    result = terminal.invoke(app, [*command, flag, value], env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert f"Invalid value for '{flag}': {flag} '{value}' cannot be used" in result.stderr


@pytest.mark.parametrize("command", [["solve", "q"], ["batch", "a", "b"], ["eval"], ["doctor"]])
def test_a_stack_without_its_file_is_wrong_usage(terminal: CliRunner, command: list[str]) -> None:
    """It would be ignored, and the shipped models would answer."""
    result = terminal.invoke(app, [*command, "--stack", "math"])

    assert result.exit_code == 2
    assert "name its file, too: --config FILE" in result.stderr


@pytest.mark.parametrize("command", [["solve", "q"], ["batch", "a", "b"], ["eval"], ["doctor"]])
def test_half_a_stack_is_refused(
    terminal: CliRunner, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the command line and in the environment, in the words of the command line."""
    flagged = terminal.invoke(app, [*command, "--draft", "embedded:draft"])
    monkeypatch.setenv("RSD_DRAFT", "embedded:draft")
    told = terminal.invoke(app, command)

    assert (flagged.exit_code, told.exit_code) == (1, 1)
    assert flagged.stderr == told.stderr
    assert flagged.stderr.startswith("error: half a stack: draft named, target and prm not.")
    assert "--target 'embedded:target', --prm 'embedded:prm'" in flagged.stderr


def test_every_option_reaches_the_answer(terminal: CliRunner, stack: list[str]) -> None:
    """A criterion by name, sampling, budgets: as in Python."""
    options = ["--accept", "constant(p=0)", "--top-p", "0.5", "--max-repeats", "1", "--json"]

    found = json.loads(terminal.invoke(app, ["solve", QUESTION, *stack, *options]).stdout)

    assert found["steps"][0]["source"] == "target"
    assert found["finish_reason"] == "repetition"


def test_the_environment_speaks_to_the_command_line_too(
    terminal: CliRunner, stack: list[str]
) -> None:
    """A flag goes before it."""
    env = {"RSD_DELTA": "0.8", "RSD_MAX_STEPS": "1"}

    told = terminal.invoke(app, ["solve", QUESTION, *stack, "--json"], env=env)
    flagged = terminal.invoke(app, ["solve", QUESTION, *stack, "--delta", "0.7", "--json"], env=env)

    assert [step["source"] for step in json.loads(told.stdout)["steps"]] == ["target"]
    assert [step["source"] for step in json.loads(flagged.stdout)["steps"]] == ["draft"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_shipped_models_never_answer_alone_what_they_cannot_know(
    terminal: CliRunner, options: list[str]
) -> None:
    """On standard error; a story of their own task passes without a word."""
    outside = terminal.invoke(app, ["solve", "What is 2+2?", *options])
    story = terminal.invoke(app, ["solve", "-", *options], input=held_out_problems(1)[0].question)

    assert outside.stderr.splitlines()[-1] == f"note: {SCOPE} This one is no such story."
    assert "note:" not in story.stderr
    assert (outside.exit_code, story.exit_code) == (0, 0)


@pytest.mark.parametrize("content", [b"caf\xe9", b"\xff\xfeh\x00i\x00"])
def test_a_question_that_is_no_utf_8_is_refused(terminal: CliRunner, content: bytes) -> None:
    """Before any model sees it; on the command line, too."""
    piped = terminal.invoke(app, ["solve", "-"], input=content)
    typed = terminal.invoke(app, ["solve", os.fsdecode(content.replace(b"\x00", b""))])

    assert (piped.exit_code, typed.exit_code) == (1, 1)
    assert piped.stderr.startswith("error: standard input, line 1, is not UTF-8")
    assert typed.stderr.startswith("error: QUESTION, line 1, is not UTF-8")


def test_messages_speak_the_language_of_the_command_line() -> None:
    """Flags where Python has keywords; a criterion's own parameters stay as they are."""
    assert spoken("max_tokens=0 cannot be used; prm='x'. accept='logistic(alpha=3, delta=1)'") == (
        "--max-tokens 0 cannot be used; --prm 'x'. --accept 'logistic(alpha=3, delta=1)'"
    )
