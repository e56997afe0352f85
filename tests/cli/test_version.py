"""`rsd-graph --version`: what somebody who reports a mistake has to say."""

from __future__ import annotations

import platform
from importlib.metadata import version

from typer.testing import CliRunner

import rsd_graph
from rsd_graph.cli import app


def test_the_version_and_what_it_runs_on() -> None:
    """The package, Python, and the two libraries whose versions matter, one a line."""
    result = CliRunner().invoke(app, ["--version"])

    assert (result.exit_code, result.output.splitlines()) == (
        0,
        [
            f"rsd-graph {rsd_graph.__version__}",
            f"Python {platform.python_version()}",
            f"langgraph {version('langgraph')}",
            f"langchain-core {version('langchain-core')}",
        ],
    )


def test_help_still_says_what_the_program_does() -> None:
    """The program's own options do not replace its description."""
    assert "Reward-Guided Speculative Decoding" in CliRunner().invoke(app, ["--help"]).output
