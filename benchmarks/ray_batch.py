"""`batch --ray` beside `batch`: the same answers, workers killed in the middle, throughput.

Run `python -m benchmarks.ray_batch [count]` where Ray is installed; writes
`benchmarks/results/ray_batch.md`. Both ask the same three llama.cpp servers with the shipped
models, on this machine: only the ratio of one run carries over, no time does.
"""

from __future__ import annotations

import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from rsd_graph import ChatRSD
from rsd_graph.cli.terminal.batch import Batch
from rsd_graph.embedded.engine import Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.errors import Role
from rsd_graph.lab.batch.answers import Answers
from rsd_graph.lab.batch.budget import Budget
from rsd_graph.lab.batch.ray_data import answer_with_ray
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.work import Open
from rsd_graph.lab.files import json_line
from rsd_graph.lab.journal import Record

COUNT, ACTORS, CONCURRENCY = 5000, 2, 8
OUT = Path(__file__).parent / "results" / "ray_batch.md"


@dataclass(slots=True)
class Killer:
    """Kills a worker of Ray that is answering, with SIGKILL, when a third and two thirds are done.

    Attributes:
        count: How many questions there are.
        done: Answers so far.
        killed: Process ids.
    """

    count: int
    killed: list[int]
    done: int = 0

    def heard(self, record: Record) -> None:
        """Count one answer."""
        self.done += 1
        if self.done in (self.count // 3, 2 * self.count // 3):
            worker = next(pid for pid in actors() if pid not in self.killed)
            os.kill(worker, signal.SIGKILL)
            self.killed.append(worker)


def actors() -> Iterator[int]:
    """Processes of actors below this one: this process starts a raylet, which starts workers."""
    parents = {int(p.name): parent(p) for p in Path("/proc").iterdir() if p.name.isdigit()}
    for pid, raylet in parents.items():
        if parents.get(raylet) == os.getpid() and b"MapWorker" in command(pid):
            yield pid


def parent(process: Path) -> int:
    """Its parent's id; 0 if it has ended."""
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def command(pid: int) -> bytes:
    """How it was started; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def questions(count: int, folder: Path) -> Path:
    """A file of held-out stories."""
    path = folder / "questions.jsonl"
    rows = enumerate(held_out_problems(count))
    path.write_bytes(b"".join(json_line({"id": n, "question": p.question}) for n, p in rows))
    return path


def seats(engine: Engine) -> dict[str, str]:
    """Endpoint strings of the three servers."""

    def seat(role: Role) -> str:
        return f"llamacpp+http://{engine.endpoint(role).url.split('/')[2]}/v1#{role}"

    return {"draft": seat("draft"), "target": seat("target"), "prm": f"recompute+{seat('prm')}"}


def with_ray(asked: Batch, path: Path, options: dict[str, str], killer: Killer | None) -> None:
    """As `batch --ray` does, with somebody else listening."""
    with Answers(path, asked.config, Shard(), asked.questions) as answers:
        work = Open(asked.source, answers, Budget())
        heard = killer.heard if killer else lambda record: None
        answer_with_ray(
            work, options, None, 0, actors=ACTORS, concurrency=CONCURRENCY, progress=heard
        )


def texts(path: Path, asked: Batch) -> list[tuple[str, str]]:
    """Every answer in a file, by question; an answer that is there twice is twice in it."""
    with Answers(path, asked.config, Shard(), asked.questions) as answers:
        return sorted((r["question"], r["text"]) for r in answers.reread() if r["error"] is None)


def measure(count: int) -> str:
    """The page."""
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        engine = Engine()
        held.callback(engine.close)
        options = seats(engine)
        path = questions(count, folder)
        asked = Batch.of(path, held, ChatRSD(**options), options, "", None, Shard(), None)
        alone, ray, torn = (folder / f"{name}.jsonl" for name in ("alone", "ray", "torn"))
        started = time.perf_counter()
        asked.answered(alone, Budget(), ACTORS * CONCURRENCY, None, None, quiet=True)
        middle = time.perf_counter()
        with_ray(asked, ray, options, None)
        ended = time.perf_counter()
        killer = Killer(count, [])
        with_ray(asked, torn, options, killer)
        expected = texts(alone, asked)
        same = [
            len(set(texts(one, asked)) & set(expected)) if len(texts(one, asked)) == count else -1
            for one in (ray, torn)
        ]
    return "\n".join(
        [
            "# `batch --ray` beside `batch`",
            "",
            f"`python -m benchmarks.ray_batch {count}`: {count} held-out stories, the shipped "
            f"models on llama.cpp (xllamacpp {version('xllamacpp')}), three servers for all runs; "
            f"Ray {version('ray')} on this machine, {ACTORS} actors of {CONCURRENCY} answers at a "
            f"time, against one process of {ACTORS * CONCURRENCY}. {platform.machine()}, Python "
            f"{platform.python_version()}.",
            "",
            f"- Answered once each, with the text of `batch`: {same[0]} of {count}.",
            f"- The same with {len(killer.killed)} workers of Ray killed by SIGKILL, after a third "
            f"and two thirds of the answers: {same[1]} of {count}.",
            f"- Answers a second, over those of `batch` in the same run: "
            f"{(middle - started) / (ended - middle):.2f}, with the start of Ray and its actors.",
            "",
        ]
    )


if __name__ == "__main__":
    page = measure(int(sys.argv[1]) if sys.argv[1:] else COUNT)
    OUT.write_text(page, encoding="utf-8")
    print(page)
