"""The jobs in deploy/ that run a batch say what the command really knows."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from rsd_graph.cli import app
from rsd_graph.cli.batch import EXIT_CODES

DEPLOY = Path(__file__).parents[2] / "deploy"
SLURM, KUBERNETES = DEPLOY / "slurm" / "batch.sbatch", DEPLOY / "kubernetes" / "batch-job.yaml"


def flags_of(command: str) -> set[str]:
    group: Any = typer.main.get_command(app)
    return {option for parameter in group.commands[command].params for option in parameter.opts}


def job() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(KUBERNETES.read_text("utf-8"))["spec"]
    return found


@pytest.mark.parametrize("path", [SLURM, KUBERNETES], ids=lambda path: path.name)
def test_every_flag_is_one_of_the_command(path: Path) -> None:
    """Those of `merge` in the words about it, too."""
    lines = path.read_text("utf-8").splitlines()
    ours = [line for line in lines if not re.match(r"#SBATCH|# +kubectl", line)]
    used = set(re.findall(r"(?<=\s)--[a-z][a-z-]+", "\n".join(ours)))

    assert {"--out-dir", "--shard", "--max-seconds", "--give-up-after"} <= used
    assert used <= flags_of("batch") | flags_of("merge")


def test_the_job_has_as_many_indexes_as_shards() -> None:
    """Kubernetes does not say to a pod how many there are."""
    spec = job()
    (shard,) = (a for a in spec["template"]["spec"]["containers"][0]["args"] if "--shard" in a)

    assert shard == f"--shard=$(JOB_COMPLETION_INDEX)/{spec['completions']}"


def test_the_job_knows_the_exit_codes() -> None:
    """Time that is up is no failure; money that is spent is one for good."""
    rules = job()["podFailurePolicy"]["rules"]
    codes = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules}

    assert codes == {
        "Ignore": [EXIT_CODES["max_seconds"]],
        "FailIndex": [2, EXIT_CODES["max_cost"]],
    }


def test_the_array_stops_before_slurm_does() -> None:
    """Answers under way have ten minutes to be finished."""
    text = SLURM.read_text("utf-8")
    hours, minutes, seconds = map(int, re.search(r"--time=(\d+):(\d+):(\d+)", text).groups())  # type: ignore[union-attr]
    stops = int(re.search(r"--max-seconds (\d+)", text)[1])  # type: ignore[index]

    assert hours * 3600 + minutes * 60 + seconds - stops == 600


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
@pytest.mark.parametrize(
    ("code", "restarts", "requeued"), [(0, 0, False), (75, 9, True), (1, 0, True), (1, 3, False)]
)
def test_the_array_goes_on_where_it_stopped(
    tmp_path: Path, code: int, restarts: int, requeued: bool
) -> None:
    """As Slurm runs the script; both programs it calls are stand-ins that note how."""
    note = f'echo "$0 $@" >> "{tmp_path}/called"\n'
    for name, ends in (("rsd-graph", code), ("scontrol", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\n{note}exit {ends}\n")
        (tmp_path / name).chmod(0o755)
    task = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "64", "SLURM_ARRAY_JOB_ID": "5"}
    environment = {
        **os.environ,
        **task,
        "SLURM_RESTART_COUNT": str(restarts),
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }

    done = subprocess.run(
        ["bash", SLURM, "q.jsonl", "out", "rsd.toml"], env=environment, check=False
    )
    called = (tmp_path / "called").read_text()

    assert done.returncode == code
    assert "batch q.jsonl --out-dir out --config rsd.toml --shard 7/64 " in called
    assert ("requeue 5_7" in called) is requeued
