"""A new option touches two files, as CONTRIBUTING.md says: its declaration and its use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import rsd_graph

PACKAGE = Path(rsd_graph.__file__).parent
DECLARATION = '''
    top_a: Annotated[Share, ANSWER] = 0.0
    """Pretended: draw as the cube of the likeliest allows."""
    max_tokens:'''
USE = """
    top_a: float = 0.0

    def __post_init__"""
SCRIPT = """
import json, os, sys
from pathlib import Path
from typer.testing import CliRunner
from rsd_graph import ChatRSD, ScriptedRewardModel, ScriptedStepModel, candidate
from rsd_graph.cli import app
from rsd_graph.stacks.config import load_stack

draft = ScriptedStepModel([candidate("end", "eos")])
models = dict(draft=draft, target=draft, prm=ScriptedRewardModel([0.9]))
ChatRSD(**models, top_a=0.25).invoke("q")
file = Path("rsd.toml")
seats = "".join(f"{role} = 'embedded:{role}'\\n" for role in models)
file.write_text(f"[stacks.only]\\n{seats}top_a = 0.5")
found = {
    "sent": draft.history[0].sampling.top_a,
    "file": load_stack(file)["top_a"],
    "cache": ChatRSD(top_a=0.25)._identifying_params["top_a"],
    "help": {c: CliRunner().invoke(app, [c, "--help"]).stdout for c in ("solve", "batch", "eval")},
    "checked": str(CliRunner().invoke(app, ["solve", "q", "--top-a", "2"]).stderr),
}
os.environ["RSD_TOP_A"] = "0.75"
found["environment"] = ChatRSD().top_a
print(json.dumps(found))
"""


def edited(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a copy of the package does once two of its files know the option `top_a`."""
    place = tmp_path_factory.mktemp("edited")
    copy = place / "rsd_graph"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("models", "__pycache__"))
    (copy / "embedded" / "models").symlink_to(PACKAGE / "embedded" / "models")
    edited(copy / "answer" / "options.py", "\n    max_tokens:", DECLARATION)
    edited(copy / "providers" / "base.py", "\n    def __post_init__", USE)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place), "COLUMNS": "200"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("where", "value"), [("sent", 0.25), ("file", 0.5), ("environment", 0.75), ("cache", "0.25")]
)
def test_it_is_wherever_options_are(found: Any, where: str, value: object) -> None:
    """`ChatRSD` sends it to the servers; stacks, the environment and cache keys have it."""
    assert found[where] == value


@pytest.mark.parametrize("command", ["solve", "batch", "eval"])
def test_it_is_a_flag_with_its_help(found: Any, command: str) -> None:
    """Of each command that asks models, in the declaration's words."""
    assert "--top-a NUMBER" in found["help"][command]
    assert "Pretended: draw as the cube" in found["help"][command]


def test_it_is_checked(found: Any) -> None:
    """As its declaration says."""
    assert "--top-a '2' cannot be used: input should be less than or equal to 1" in found["checked"]
