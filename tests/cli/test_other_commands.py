"""The smaller commands, and how things are shown."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from rsd_graph import (
    PerRole,
    Price,
    Prices,
    ScriptedRewardModel,
    ScriptedStepModel,
    create_rsd_graph,
)
from rsd_graph.answer.ledger import Ledger, add, empty_ledger, usage
from rsd_graph.answer.state import Source, Step
from rsd_graph.cli import app
from rsd_graph.cli.terminal.screen import (
    amounts,
    cost_line,
    printable,
    screen,
    show_step,
    show_table,
    spending,
)


def test_graph_prints_the_drawing(terminal: CliRunner) -> None:
    """What it prints is what LangGraph draws."""
    nobody = ScriptedStepModel([])
    graph = create_rsd_graph(draft=nobody, target=nobody, prm=ScriptedRewardModel([]))

    result = terminal.invoke(app, ["graph"])

    assert result.stdout == graph.compile().get_graph().draw_mermaid()


def test_demo_solves_and_compares(terminal: CliRunner) -> None:
    """Three problems, both ways, on the shipped models; then where the real numbers come from."""
    pytest.importorskip("xllamacpp")

    result = terminal.invoke(app, ["demo"])

    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    for start, count in (("--- problem", 3), ("answer  ", 3), ("cost    ", 3), ("alone   ", 3)):
        assert sum(line.startswith(start) for line in lines) == count
    assert lines[-1] == (
        "Three problems prove nothing. `rsd-graph eval` measures 300, with confidence intervals."
    )


def test_a_step_of_several_lines_keeps_its_margin(capsys: pytest.CaptureFixture[str]) -> None:
    """Text starts in one column, however many lines a step has; a blank draft is said to be one."""
    step = Step(
        text="Solve:\nx = 2",
        source="target",
        reward=None,
        accepted=False,
        ended="separator",
        tokens=6,
        ms=1.0,
        rejected_text="\n",
    )

    show_step(screen(), step)

    assert capsys.readouterr().out == (
        "draft        rejected   (blank)\n"
        "target       rewritten  Solve:\n"
        "                        x = 2\n"
    )


def thought(source: Source, reward: float, rejected: str | None = None) -> Step:
    """A step of thinking, rewritten if something was rejected."""
    return Step(
        text="Hm, 7?",
        source=source,
        reward=reward,
        accepted=rejected is None,
        ended="closed",
        tokens=3,
        ms=1.0,
        rejected_text=rejected,
        phase="thinking",
    )


@pytest.mark.parametrize(
    ("plain", "shown"),
    [(True, "thinking: Hm, 7?"), (False, "\x1b[2;32mthinking: Hm, 7?\x1b[0m")],
)
def test_a_thought_says_that_it_is_one(
    plain: bool, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, and dim where there are colours: it is no part of the answer."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    show_step(screen(plain=plain), thought("draft", 0.9))

    assert capsys.readouterr().out == f"draft   0.90 accepted   {shown}\n"


def test_the_cost_tells_who_thought() -> None:
    """Of the tokens in the answer, where there are any of thinking."""
    ledger: Ledger = {**empty_ledger(), "target_steps": 1}

    assert cost_line([thought("target", 0.1, "Hm, 8?")], ledger, None) == (
        "1 steps, 0% of the drafts accepted; tokens written: draft 0, target 0, prm 0; "
        "thinking in the answer: draft 0, target 3; 1 ms"
    )


def test_a_model_cannot_steer_the_terminal() -> None:
    """Control characters in generated text are shown, not obeyed."""
    assert printable("\x1b[2Jx\r\x07 = 2\n\ty") == "?[2Jx?? = 2\n\ty"


@pytest.mark.parametrize(
    ("flops", "shown"),
    [
        (0.0, "0 FLOP"),
        (950.0, "950 FLOP"),
        (22_400_000.0, "22.4 MFLOP"),
        (3.21e15, "3.21e+03 TFLOP"),
    ],
)
def test_flops_have_units_people_read(flops: float, shown: str) -> None:
    """Three digits and a unit."""
    assert amounts({"decode_only": flops, "full": flops}) == (
        f"{shown} decode-only, {shown} in full"
    )


def test_what_the_cache_leaves_open_is_a_range() -> None:
    """Never one number where a server does not say what it cached."""
    ledger = add(
        empty_ledger(),
        {"prm": usage(prompt_tokens=500), "kept_draft_tokens": 100, "scored_steps": 1},
    )
    price = Price(2, 2, cached=1)

    shown = spending(ledger, PerRole(0, 0, 1), Prices(draft=price, target=price, prm=price))

    assert shown[1:] == [
        "2 FLOP decode-only, 200 FLOP to 1 kFLOP in full",
        "0.0006 to 0.001 at your prices",
    ]


def test_a_table_survives_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too wide for it, each row becomes a list; in a pipe, columns stay columns."""
    headers, rows = ("arm", "accuracy %", "p50 s"), [("draft", "70.0", "0.09"), ("RSD", "99.7", "")]
    show_table(screen(), headers, rows)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "20")
    show_table(screen(plain=True), headers, rows)

    assert capsys.readouterr().out == (
        "arm    accuracy %  p50 s\n"
        "draft  70.0        0.09\n"
        "RSD    99.7\n"
        "arm draft\n"
        "  accuracy %: 70.0\n"
        "  p50 s: 0.09\n"
        "arm RSD\n"
        "  accuracy %: 99.7\n"
    )
