"""Commands that are killed again and again, and must end as if nobody had."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.chaos.killed_jobs import Job, graders_of, jobs, kill, kill_a_grader, spawning
from tests.chaos.report import Part
from tests.chaos.server import WorldServer
from tests.chaos.world import KEY
from tests.helpers.durable_child import STEPS
from tests.runtime.test_durability import live_until, settled

_GRAPHS = 1
"""For each command: more than a thousand of them have been killed."""


_RESUMED = ("batch", "eval")
"""They go on where they were; others begin anew, and end by luck."""

_GRADING = ("eval", "calibrate with golds")

_GOODBYE = 120.0
"""Seconds in which a grading process notices that its command is gone."""


def _tells(file: Path) -> bool:
    return file.is_file() and KEY.encode() in file.read_bytes()


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


def killed_graders(
    job: Job, whole: Job, server: WorldServer, dice: random.Random, most: int
) -> tuple[Counter[str], list[str]]:
    """Kill *job*, whose grading processes end with it; then one of these, which changes nothing."""
    orphans, struck = list[int](), Counter[str]()

    def the_command(process: BaseProcess) -> bool:
        orphans[:] = graders_of(process.pid or 0)
        struck[f"{job.name} with its grading processes"] = len(orphans) > 0
        return bool(orphans) and kill(process)

    def a_grader(process: BaseProcess) -> bool:
        struck[f"a grading process of {job.name}"] = is_killed = kill_a_grader(process)
        return is_killed

    job.live(server, dice.randrange(most), strike=the_command)
    if left := _left_of(orphans):
        return struck, [f"{job.name} leaves {left} grading processes behind"]
    job.result.unlink(missing_ok=True)
    code = job.live(server, dice.randrange(most), strike=a_grader)
    if code != 0:
        return struck, [f"{job.name} whose grading process is killed says {code}: {job.said()}"]
    same = job.read(job.result) == whole.read(whole.result)
    return struck, [] if same else [f"{job.name} differs when a grading process is killed"]


def _left_of(processes: list[int]) -> int:
    until = time.monotonic() + _GOODBYE
    while left := sum(Path(f"/proc/{pid}").exists() for pid in processes):
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return left


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
        sent: dict[str, int] = {}
        done, wrong = 0, False
        while done < kills and not wrong and not stop.is_set():
            started, killed, dice = time.monotonic(), Killed(), random.Random(seed)
            killed.all_of(folder / f"{seed}", dice, server, whole, sent)
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

    def all_of(
        self,
        folder: Path,
        dice: random.Random,
        server: WorldServer,
        whole: list[Job],
        sent: dict[str, int],
    ) -> None:
        """Graphs and one command, each killed until it ends; its grading processes, too."""
        folder.mkdir(parents=True)
        for number in range(_GRAPHS):
            database = folder / f"{number}.sqlite"
            self.counts["a graph"] += killed_graph(database, dice, self.violations)
            self.ended += 1
        place = dice.randrange(len(whole))
        job, unkilled = jobs(folder, server.url)[place], whole[place]
        if job.name not in sent:
            sent[job.name] = requests_of(unkilled, server)
        if job.name in _GRADING:
            job_again = spawning(jobs(folder / "graders", server.url)[place])
            most = sent[job.name] // 2
            self._add(*killed_graders(job_again, unkilled, server, dice, most))
        if not job.spawns:
            most = sent[job.name] // 2 if job.name in _RESUMED else 2 * sent[job.name]
            kills, wrong = killed_to_the_end(job, unkilled, server, dice, most)
            self._add(Counter({job.name: kills}), wrong)
        files = (file for file in folder.rglob("*") if _tells(file))
        self.violations += [f"the key is in {file.name}" for file in files]
        sys.stderr.write(f"{dict(self.counts)} {self.violations}\n")

    def _add(self, kills: Counter[str], wrong: list[str]) -> None:
        self.counts += kills
        self.violations += wrong
        self.ended += 1

    def part(self, seed: int, seconds: float) -> Part:
        """The same as figures."""
        counts = {f"SIGKILLs of {name}": n for name, n in self.counts.items()}
        counts["runs that went on until they ended"] = self.ended
        return Part(seed, counts, self.violations, seconds)
