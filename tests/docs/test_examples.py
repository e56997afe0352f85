"""Every example runs, offline, as a reader would run it, and every answer it gets is right."""

from __future__ import annotations

import json
import os
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rsd_graph import Endpoint
from tests.helpers.fake_tool_server import FakeToolServer, in_a_thread
from tests.helpers.stories import Answered, every_answer, right_answer, wrong

pytest.importorskip("xllamacpp", reason="the examples run on the shipped models")
EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def answers() -> Iterator[list[Answered]]:
    """What the example's graphs answer; a wrong one fails its test."""
    with every_answer() as given:
        yield given
    assert wrong(given) == []


def run(name: str, capfd: pytest.CaptureFixture[str]) -> str:
    """What the example prints when it is called without arguments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", [name])
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    return capfd.readouterr().out


def test_math_tutor(capfd: pytest.CaptureFixture[str], answers: list[Answered]) -> None:
    """The chain streams an explanation and reads the answer out of it."""
    printed = run("math_tutor.py", capfd)

    assert len(answers) == 2
    assert printed.splitlines()[-1] == f"Answer: {right_answer(answers[-1].question)}"


def test_plan_and_solve(capfd: pytest.CaptureFixture[str], answers: list[Answered]) -> None:
    """The pipeline's own nodes work on what RSD wrote."""
    printed = run("plan_and_solve.py", capfd)

    assert len(answers) == 1
    assert "target: Wednesday finds 33." in printed
    assert printed.splitlines()[-1] == "Check: 3 of 3 equations hold"


def test_self_consistency(capfd: pytest.CaptureFixture[str], answers: list[Answered]) -> None:
    """Several answers, and the one given most often wins."""
    *_, given, winner = run("self_consistency.py", capfd).splitlines()

    assert given.split() == ["Answers:", *["58"] * 7]
    assert winner == f"Winner: {right_answer(answers[0].question)}"


def test_swap_backends(capfd: pytest.CaptureFixture[str], answers: list[Answered]) -> None:
    """Each stack answers by its own rules."""
    lines = run("swap_backends.py", capfd).splitlines()

    never = next(line for line in lines if "never ask the target" in line)
    assert never.endswith(" 0 by the target")
    assert len(answers) == len(lines) == 4


def test_resume_after_crash(capfd: pytest.CaptureFixture[str], answers: list[Answered]) -> None:
    """Steps 1 and 2 are written before the crash, the others after it, none twice."""
    printed = run("resume_after_crash.py", capfd)
    before, _, after = printed.partition("The first process was killed: True")

    assert [f"step {number}:" in before for number in (1, 2, 3)] == [True, True, False]
    assert [f"step {number}:" in after for number in (1, 2, 3)] == [False, False, True]
    assert len(answers) == 1


def test_tool_agent(
    llamacpp_server: Endpoint, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent calls the tool, then answers; both actions were scored."""
    with in_a_thread(FakeToolServer(llamacpp_server.url)) as server:
        for name in ("RSD_DRAFT", "RSD_TARGET"):
            monkeypatch.setenv(name, f"llamacpp+{server.url}")

        printed = run("tool_agent.py", capfd)

    assert "It is sunny in Lisbon." in printed
    assert printed.count("(by the draft, reward 1.0)") == 2


def test_served_graph() -> None:
    """The graph that `langgraph.json` names is one."""
    graph = runpy.run_path(str(EXAMPLES / "served_graph.py"))["graph"]

    assert set(graph.nodes) >= {"draft", "score", "target"}


async def test_quickstart_notebook(
    capsys: pytest.CaptureFixture[str], answers: list[Answered]
) -> None:
    """The cells run in order where notebooks run them: inside an event loop."""
    notebook = json.loads((EXAMPLES / "quickstart.ipynb").read_text(encoding="utf-8"))
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)

    printed = capsys.readouterr().out
    assert "accepted:" in printed
    assert "step_settled 0" in printed
    assert "graph TD" in printed
    assert len(answers) == 3
