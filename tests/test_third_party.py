"""Somebody else's package, built and installed as they would do it, can be named everywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsd_graph import Endpoint

pytest.importorskip("hatchling", reason="builds a wheel")

ROOT = Path(__file__).parents[1]
PROGRAM = "from rsd_graph.cli import main; main()"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built and installed package in it."""
    place = tmp_path_factory.mktemp("third_party")
    shutil.copytree(Path(__file__).parent / "helpers" / "third_party", place / "source")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index"]
    for command in (
        [*pip, "wheel", *alone, "--no-build-isolation", "-w", "dist", "./source"],
        [*pip, "install", *alone, "--target", "site", "dist/acme_rsd-1.0-py3-none-any.whl"],
    ):
        subprocess.run(command, cwd=place, check=True)
    return place / "site"


def run(
    installed: Path | str, code: str, *arguments: str, **environment: str
) -> tuple[int, str, str]:
    """Run *code* in a Python that has the package; exit code, output, errors."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])}
        | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


NAMED = """
import asyncio
from rsd_graph import Message, Prefix, StepRequest, candidate, criterion, reward_model, step_model
import sys

url = sys.argv[1]
model = step_model(f"acme+{url}?dialect=plain&cache=no&timeout=9", "draft")
question = Prefix([Message(role="user", content="What is 3+4?")])
step = asyncio.run(model.write_step(StepRequest(question, 64)))
print(type(model.wire).__name__, model.wire._dialect, model.wire._cache, model.endpoint.timeout)
print(step["text"], step["ended"])
prm = reward_model(f"brevity+acme+{url}?longest=10")
print(asyncio.run(prm.score(question, [candidate("12345"), candidate("1")])).rewards)
print(prm.endpoint.role, reward_model(f"acme-check+acme+{url}?dialect=plain"))
print(criterion("cautious(margin=0.25)"), criterion("cautious(0.25)")(0.75))
"""


def test_what_it_offers_is_named_by_strings(installed: Path, llamacpp_server: Endpoint) -> None:
    """A provider with options of its own, two families of PRMs, a criterion."""
    code, output, errors = run(installed, NAMED, llamacpp_server.url)

    assert (code, errors) == (0, "")
    assert output.splitlines() == [
        "AcmeWire plain False 9.0",
        "First, 3+4=7. separator",
        "[0.5, 0.9]",
        f"prm TokenProbabilityPRM(acme-check, {llamacpp_server.url})",
        "cautious(margin=0.25) 0.5",
    ]


def test_a_stack_file_and_the_command_line_name_it(
    installed: Path, llamacpp_server: Endpoint, tmp_path: Path
) -> None:
    """Models and criterion, in a file and by flags: the names work like ours."""
    url = llamacpp_server.url
    stack = {
        "draft": f"acme+{url}?dialect=plain",
        "target": "acme-job:big",
        "prm": f"brevity+acme+{url}?longest=20",
        "accept": "cautious(margin=1)",
    }
    file = tmp_path / "rsd.toml"
    lines = (f'{name} = "{value}"\n' for name, value in stack.items())
    file.write_text(f"[stacks.acme]\n{''.join(lines)}", encoding="utf-8")
    solve = [str(installed), PROGRAM, "solve", "3+4?", "--config", str(file), "--json"]

    never = run(*solve, ACME_JOB_BIG=url)
    always = run(*solve, "--accept", "cautious(margin=-1)", ACME_JOB_BIG=url)
    checked = run(installed, PROGRAM, "doctor", *solve[4:], ACME_JOB_BIG=url)

    assert never[2] == always[2] == checked[2] == ""
    assert _steps(never) == [("First, 3+4=7.", "target"), ("So 7.", "target")]
    assert _steps(always) == [("First, 3+4=7.", "draft"), ("So 7.", "draft")]
    answers = {c["role"]: c["verdict"] for c in json.loads(checked[1]) if c["name"] == "answers"}
    assert answers == {"draft": "pass", "target": "pass", "prm": "pass"}


def _steps(done: tuple[int, str, str]) -> list[tuple[str, str]]:
    return [(step["text"], step["source"]) for step in json.loads(done[1])["steps"]]


MISTAKES = [
    ("acne+http://h", "unknown provider 'acne'. Expected one of acme, acme-job, chat, "),
    ("acne+http://h", "Did you mean 'acme'?"),
    ("acme+http://h", "error: draft at acme+http://h: acme needs a value for dialect."),
    (
        "acme+http://h?dialect=loud",
        "option 'dialect' cannot be used with 'loud': input should be 'plain' or 'chatty'.",
    ),
    (
        "acme+http://h?dialect=plain&cash=no",
        "unknown option 'cash' of acme. Expected one of cache, dialect, logprobs, "
        "max_concurrency, session_header, think, timeout. Did you mean 'cache'?",
    ),
    ("acme-job+http://h", "acme-job is not named like this. Expected acme-job:text."),
    ("acme:h", "acme is not named like this. Expected acme+http://host:port."),
    ("acme-job:nobody", "acme-job cannot be made: KeyError: 'ACME_JOB_NOBODY'."),
]

DOCTOR_EACH = """
import sys
from rsd_graph.cli import main

for spec in sys.argv[1:]:
    sys.argv = ["rsd-graph", "doctor", "--draft", spec]
    sys.argv += ["--target", "embedded:target", "--prm", "embedded:prm"]
    try:
        main()
    except SystemExit as end:
        print(end.code)
"""


@pytest.fixture(scope="session")
def told(installed: Path) -> dict[str, str]:
    """By mistake, the one line that the command line says of it, and nothing else, and fails."""
    specs = sorted({spec for spec, _ in MISTAKES})
    code, output, errors = run(installed, DOCTOR_EACH, *specs)
    assert (code, output.split()) == (0, ["1"] * len(specs)), errors
    return dict(zip(specs, errors.splitlines(), strict=True))


@pytest.mark.parametrize(("spec", "complaint"), MISTAKES)
def test_a_mistake_is_told_where_it_was_made(
    told: dict[str, str], spec: str, complaint: str
) -> None:
    """One line that names the string, what is wrong with it, and what there is."""
    assert complaint in told[spec]
