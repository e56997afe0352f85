"""`rsd-graph doctor`, as people and scripts read it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rsd_graph.cli import app
from rsd_graph.cli.doctor import _show
from rsd_graph.cli.terminal.screen import screen
from rsd_graph.stacks.doctor import Check

NOWHERE = "vllm+http://127.0.0.1:9/v1#small"


def test_a_fit_stack_is_a_plain_table_and_exit_code_0(terminal: CliRunner) -> None:
    """In a pipe: aligned, without colour, a finding to a line, and a sum at the end."""
    pytest.importorskip("xllamacpp")

    result = terminal.invoke(app, ["doctor"])

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert lines[0] == "seat    check                         result  seen"
    assert lines[2] == "        key accepted                  pass    none sent, none wanted"
    assert re.fullmatch(r"41 checks: \d+ pass, [34] warn, 0 fail", lines[-1])  # 4 on a slow machine
    assert {line[38:46].strip() for line in lines[1:-1]} == {"pass", "warn", ""}
    assert sum(line[46:].startswith("fix: ") for line in lines) in (3, 4)


def test_an_unfit_stack_is_exit_code_1(terminal: CliRunner, stack: list[str]) -> None:
    """This PRM says the same of every step; what to do about it stands below."""
    result = terminal.invoke(app, ["doctor", *stack])

    lines = result.stdout.splitlines()
    (wrong,) = [number for number, line in enumerate(lines) if line[38:42] == "fail"]
    assert result.exit_code == 1
    assert lines[wrong].split("  ")[4] == "tells right from wrong"
    assert lines[wrong + 1].strip().startswith("fix: Is this the right PRM family?")


def test_json_is_one_array_and_nothing_else(terminal: CliRunner, stack: list[str]) -> None:
    """A dead port is one finding; the other seats are examined all the same."""
    result = terminal.invoke(app, ["doctor", *stack, "--draft", NOWHERE, "--json"])

    checks = json.loads(result.stdout)
    draft = [check for check in checks if check["role"] == "draft"]
    assert result.exit_code == 1
    assert [(check["name"], check["verdict"]) for check in draft] == [("reachable", "fail")]
    assert list(checks[0]) == ["role", "name", "verdict", "detail", "fix"]
    assert {check["role"] for check in checks} == {"draft", "target", "prm"}


def test_the_stacks_own_limits_are_held_against_the_context(
    terminal: CliRunner, bigram: str, tmp_path: Path
) -> None:
    """What fits max_tokens passes, where the usual 4096 would not."""
    file = tmp_path / "rsd.toml"
    seats = "\n".join(f'{seat} = "{bigram}"' for seat in ("draft", "target", "prm"))
    file.write_text(f"[stacks.tiny]\n{seats}\nmax_tokens = 64\n", encoding="utf-8")

    result = terminal.invoke(app, ["doctor", "--config", str(file), "--json"])

    found = {check["name"]: check for check in json.loads(result.stdout)}
    assert (found["context length"]["verdict"], found["context length"]["detail"]) == (
        "pass",
        "256 tokens",
    )


def test_a_terminal_gets_colour_and_wrapped_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The words stay in their column, and a server's control characters are not obeyed."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    check = Check("draft", "answers", "fail", "\x1b[2J" + "word " * 14, "mend it")

    _show(screen(), check, [])

    shown = capsys.readouterr().out
    assert "\x1b[1;31mfail" in shown
    assert "\x1b[2J" not in shown
    assert f"\n{' ' * 46}word" in shown
