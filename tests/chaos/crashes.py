"""Commands that are killed again and again, and must end as if nobody had."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import crashed_child
from tests.chaos.report import Part
from tests.chaos.server import WorldServer
from tests.chaos.world import KEY, question
from tests.helpers.durable_child import STEPS
from tests.runtime.test_durability import live_until, settled

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.chaos.crashed_child", "tests.helpers.durable_child"])

_PATIENCE = 900.0
_TIMES = ("ms", "seconds", "started")
_OF_ONE_SEED = 50
_GRAPHS = 8
"""For each of the commands, which take more time to be killed."""


@dataclass
class Job:
    """A command with a result that does not depend on when it is killed.

    Attributes:
        name: The command.
        arguments: All of them.
        result: Where its result stands.
        read: The result without the times it took.
    """

    name: str
    arguments: list[str]
    result: Path
    read: Callable[[Path], Any]

    def live(self, server: WorldServer, requests: int | None, most_bytes: int | None = None) -> int:
        """Run it, or go on with it, until it ends or has sent so many requests; its exit code."""
        said = str(self.result.with_suffix(".said"))
        arguments = (self.arguments, said, most_bytes)
        process = PROCESSES.Process(target=crashed_child.command, args=arguments)
        process.start()
        until, first = time.monotonic() + _PATIENCE, server.requests
        while process.is_alive() and time.monotonic() < until:
            if requests is not None and server.requests - first >= requests:
                process.kill()
            process.join(0.002)
        if process.is_alive():
            process.kill()
            raise TimeoutError(f"{self.name} hangs: {Path(said).read_text()}")
        assert process.exitcode is not None
        return process.exitcode

    def said(self) -> str:
        """What its last run wrote on the terminal."""
        return self.result.with_suffix(".said").read_text(encoding="utf-8")


def jobs(folder: Path, url: str, questions: int = 8) -> list[Job]:
    """One of each command, with files in *folder* and models at *url*."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"id": n, "question": question(n), "answer": str(n)} for n in range(questions)]
    asked, prompts = folder / "questions.jsonl", folder / "prompts.txt"
    asked.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    prompts.write_text("\n".join(row["question"] for row in rows), encoding="utf-8")
    seats = [
        *("--draft", f"vllm+{url}/vllm/draft#m", "--target", f"vllm+{url}/vllm/target#m"),
        *("--prm", f"qwen-prm+vllm+{url}/vllm-last/prm#m"),
    ]
    sequential = ["--lookahead", "0"]  # else the costs depend on who is faster
    answers, journal, file = folder / "out.jsonl", folder / "eval.jsonl", folder / "delta.json"
    batch = ["batch", str(asked), str(answers), "--json", *seats]
    measured = ["eval", "--dataset", str(asked), "--arms", "target,rsd", "--json"]
    measured += ["--journal", str(journal), "--report", str(folder / "report.html")]
    chosen = [
        "calibrate",
        str(prompts),
        "--confidence",
        "0.5",
        "--target-share",
        "0.5",
        "--out",
        str(file),
    ]
    return [
        Job("batch", [*batch, *sequential], answers, _records),
        Job("eval", [*measured, *seats, *sequential], journal, _records),
        Job("calibrate", [*chosen, *seats], file, _whole),
    ]


def _tells(file: Path) -> bool:
    return file.is_file() and KEY.encode() in file.read_bytes()


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


def killed_to_the_end(
    job: Job, whole: Job, server: WorldServer, dice: random.Random, most: int
) -> tuple[int, list[str]]:
    """Kill *job* at random places until it ends; how often, and how it differs from *whole*."""
    kills = 0
    while (code := job.live(server, dice.randrange(most))) == -signal.SIGKILL:
        kills += 1
        if kills % 10 == 9:  # one that needs more than all requests at once never ends by luck
            most = 2 * most
    if code != 0:
        return kills, [f"{job.name} ends with {code}: {job.said()}"]
    same = job.read(job.result) == whole.read(whole.result)
    return kills, [] if same else [f"{job.name} differs from the uninterrupted run"]


def killed_graph(database: Path, dice: random.Random, violations: list[str]) -> int:
    """Kill a graph with SQLite checkpoints until its answer is whole; how often."""
    kills, killed, before = 0, True, list[Any]()
    while killed:
        heard, killed = live_until(str(database), dice.randint(1, 12))
        kills += killed
        after = settled(str(database))
        if after[: len(before)] != before or any(index < len(before) for _, index in heard):
            violations.append("a settled step was lost, or written again")
        before = after
    texts = [f"{'target' if index % 3 == 2 else 'draft'} {index}" for index in range(STEPS)]
    if [step["text"] for step in after] != texts:
        violations.append("a resumed graph differs from the uninterrupted run")
    return kills


def requests_of(job: Job, server: WorldServer) -> int:
    """How many requests it sends when nobody kills it."""
    before = server.requests
    assert job.live(server, None) == 0, job.said()
    return server.requests - before


def run(kills: int, seed: int, folder: Path, stop: threading.Event) -> Iterator[Part]:
    """Seeds from *seed* on until there were so many kills, something is wrong, or *stop* is set."""
    os.environ["RSD_API_KEY"] = KEY
    with WorldServer(seed) as server:
        whole = jobs(folder / "whole", server.url)
        sent = {job.name: requests_of(job, server) for job in whole}
        done, wrong = 0, False
        while done < kills and not wrong and not stop.is_set():
            started, killed, dice = time.monotonic(), Killed(), random.Random(seed)
            while killed.total() < min(_OF_ONE_SEED, kills - done) and not stop.is_set():
                killed.round(folder / f"{seed}", dice, server, whole, sent)
            yield killed.part(seed, time.monotonic() - started)
            seed, done, wrong = seed + 1, done + killed.total(), bool(killed.violations)


class Killed:
    """What was killed, and what came of it."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.ended = 0
        self.violations: list[str] = []

    def total(self) -> int:
        """All kills."""
        return sum(self.counts.values())

    def round(
        self,
        folder: Path,
        dice: random.Random,
        server: WorldServer,
        whole: list[Job],
        sent: dict[str, int],
    ) -> None:
        """Graphs, and one of each command, each killed until it ends."""
        folder = folder / f"{self.ended}"
        killed = jobs(folder, server.url)
        for number in range(_GRAPHS):
            database = folder / f"{number}.sqlite"
            self.counts["a graph"] += killed_graph(database, dice, self.violations)
        for job, unkilled in zip(killed, whole, strict=True):
            kills, wrong = killed_to_the_end(job, unkilled, server, dice, sent[job.name] // 2)
            self.counts[job.name] += kills
            self.violations += wrong
        self.ended += _GRAPHS + len(killed)
        files = (file for file in folder.rglob("*") if _tells(file))
        self.violations += [f"the key is in {file.name}" for file in files]
        sys.stderr.write(f"{dict(self.counts)} {self.violations}\n")

    def part(self, seed: int, seconds: float) -> Part:
        """The same as figures."""
        counts = {f"SIGKILLs of {name}": n for name, n in self.counts.items()}
        counts["runs that went on until they ended"] = self.ended
        return Part(seed, counts, self.violations, seconds)
