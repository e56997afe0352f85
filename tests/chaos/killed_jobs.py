"""Commands to be killed, and what may be compared of their results."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.chaos import crashed_child
from tests.chaos.server import WorldServer
from tests.chaos.world import question, written

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.chaos.crashed_child", "tests.helpers.durable_child"])

_PATIENCE = 900.0
_TIMES = ("ms", "seconds", "started")

Strike = Callable[[BaseProcess], bool]
"""Kills something of a running command; whether there was anything to kill."""


@dataclass(frozen=True)
class Job:
    """A command with a result that does not depend on when it is killed.

    Attributes:
        name: The command.
        arguments: All of them.
        result: Where its result stands.
        read: The result without the times it took.
        spawns: Whether its grading processes are spawned, as for everybody, or forked, which
            costs no imports.
    """

    name: str
    arguments: list[str]
    result: Path
    read: Callable[[Path], Any]
    spawns: bool = False

    def live(
        self,
        server: WorldServer,
        requests: int | None,
        most_bytes: int | None = None,
        strike: Strike | None = None,
    ) -> int:
        """Run it, or go on with it, until it ends.

        Args:
            server: Who counts its requests.
            requests: How many it may send before it is struck; `None`: it is left alone.
            most_bytes: How long a file may become.
            strike: What is done to it then, once; it is killed by default.

        Returns:
            Its exit code.
        """
        said = str(self.result.with_suffix(".said"))
        arguments = (self.arguments, said, most_bytes, self.spawns)
        process = PROCESSES.Process(target=crashed_child.command, args=arguments)
        process.start()
        until, first, is_due = time.monotonic() + _PATIENCE, server.requests, requests is not None
        while process.is_alive() and time.monotonic() < until:
            if is_due and server.requests - first >= (requests or 0):
                is_due = not (strike or kill)(process)
            process.join(0.002)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"{self.name} hangs: {Path(said).read_text()}")
        assert process.exitcode is not None
        return process.exitcode

    def said(self) -> str:
        """What its last run wrote on the terminal."""
        return self.result.with_suffix(".said").read_text(encoding="utf-8")


def kill(process: BaseProcess) -> bool:
    """The command itself."""
    process.kill()
    return True


def kill_a_grader(process: BaseProcess) -> bool:
    """One of the processes in which the command grades, once there is one."""
    graders = graders_of(process.pid or 0)
    for pid in graders[:1]:
        os.kill(pid, signal.SIGKILL)
    return bool(graders)


def graders_of(pid: int) -> list[int]:
    """The grading processes that this one has spawned."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                is_ours = parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes()
            except OSError:  # it has ended
                continue
            found += [int(folder.name)] if is_ours else []
    return found


def jobs(folder: Path, url: str, questions: int = 8) -> list[Job]:
    """One of each command, with files in *folder* and models at *url*."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"id": n, "question": question(n), "answer": gold(n)} for n in range(questions)]
    asked, prompts = folder / "questions.jsonl", folder / "prompts.txt"
    asked.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    prompts.write_text("\n".join(str(row["question"]) for row in rows), encoding="utf-8")
    seats = [
        *("--draft", f"vllm+{url}/vllm/draft#m", "--target", f"vllm+{url}/vllm/target#m"),
        *("--prm", f"qwen-prm+vllm+{url}/vllm-last/prm#m", "--concurrency", "2"),
    ]
    sequential = ["--lookahead", "0"]  # else the costs depend on who is faster
    answers, journal = folder / "out.jsonl", folder / "eval.jsonl"
    file, graded = folder / "delta.json", folder / "graded.json"
    batch = ["batch", str(asked), str(answers), "--json", *seats, *sequential]
    measured = ["eval", "--dataset", str(asked), "--arms", "target,rsd", "--json"]
    measured += ["--journal", str(journal), "--report", str(folder / "report.html")]
    chosen = ["--confidence", "0.5", "--target-share", "0.5", *seats]
    return [
        Job("batch", batch, answers, _records),
        Job("eval", [*measured, *seats, *sequential], journal, _records),
        Job("calibrate", ["calibrate", str(prompts), "--out", str(file), *chosen], file, _whole),
        Job(
            "calibrate with golds",
            ["calibrate", str(asked), "--out", str(graded), *chosen],
            graded,
            _whole,
            spawns=True,
        ),
    ]


def spawning(job: Job) -> Job:
    """The same with grading processes as everybody has them."""
    return replace(job, spawns=True)


def gold(number: int) -> str:
    """What the draft alone would answer; of every third question something else."""
    names: list[str] = []
    while True:
        step = written("draft", f"q{number}", names)
        names.append(step.name)
        if step.ended == "eos":
            return str(int(step.name[1:3], 16) + (number % 3 == 0))


def _records(path: Path) -> Any:
    """The last record of each arm and question."""
    lines = path.read_text(encoding="utf-8").split("\n")[1:-1]
    records = [timeless(json.loads(line)) for line in lines]
    return {f"{record['arm']} {record['question']}": record for record in records}


def _whole(path: Path) -> Any:
    return timeless(json.loads(path.read_text(encoding="utf-8")))


def timeless(value: Any) -> Any:
    """The same without the times anything took."""
    if isinstance(value, dict):
        return {key: timeless(item) for key, item in value.items() if key not in _TIMES}
    return [timeless(item) for item in value] if isinstance(value, list) else value
