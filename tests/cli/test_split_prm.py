"""`rsd-graph split-prm`."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from rsd_graph.cli import app
from tests.helpers.checkpoint import BACKBONE, QWEN, write_checkpoint


def test_it_says_how_to_serve_and_name_what_it_made(terminal: CliRunner, tmp_path: Path) -> None:
    """Two lines to copy."""
    checkpoint = write_checkpoint(tmp_path / "prm", {**BACKBONE, **QWEN})

    result = terminal.invoke(app, ["split-prm", str(checkpoint), str(tmp_path / "half")])

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"vllm serve {tmp_path / 'half'} --served-model-name prm --runner pooling",
        "prm = qwen-prm-split+vllm+http://HOST:8000/v1#prm",
    ]
    assert (tmp_path / "half" / "modules.json").is_file()


def test_what_cannot_be_divided_is_one_line(terminal: CliRunner, tmp_path: Path) -> None:
    """On standard error, with exit code 1."""
    result = terminal.invoke(app, ["split-prm", str(tmp_path), str(tmp_path / "half")])

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "is no checkpoint" in result.stderr
