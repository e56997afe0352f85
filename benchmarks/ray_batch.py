"""`batch --ray` beside `batch`: the same answers, two actors killed in the middle, throughput.

Run `python -m benchmarks.ray_batch [count]` where Ray is installed; writes
`benchmarks/results/ray_batch.md`. Both ask the same three llama.cpp servers with the shipped
models, on this machine: only the ratio of one run carries over, no time does. The questions are
the shortest of four times as many, for the time it takes.
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
from dataclasses import dataclass, field
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
        began: When the first was there.
        killed: Process ids.
    """

    count: int
    done: int = 0
    began: float = 0.0
    killed: list[int] = field(default_factory=list)

    def heard(self, record: Record) -> None:
        """Count one answer."""
        self.began = self.began or time.perf_counter()
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
    """A file of held-out stories, short ones."""
    path = folder / "questions.jsonl"
    drawn = sorted(held_out_problems(4 * count), key=lambda problem: len(problem.question))
    rows = enumerate(drawn[:count])
    path.write_bytes(b"".join(json_line({"id": n, "question": p.question}) for n, p in rows))
    return path


def seats(engine: Engine) -> dict[str, str]:
    """Endpoint strings of the three servers."""

    def seat(role: Role) -> str:
        return f"llamacpp+http://{engine.endpoint(role).url.split('/')[2]}/v1#{role}"

    return {"draft": seat("draft"), "target": seat("target"), "prm": f"recompute+{seat('prm')}"}


def with_ray(asked: Batch, path: Path, options: dict[str, str], killer: Killer) -> None:
    """As `batch --ray` does, with somebody else listening."""
    with Answers(path, asked.config, Shard(), asked.questions) as answers:
        answer_with_ray(
            Open(asked.source, answers, Budget()),
            options,
            None,
            0,
            actors=ACTORS,
            concurrency=CONCURRENCY,
            progress=killer.heard,
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
        alone, torn = (folder / f"{name}.jsonl" for name in ("alone", "torn"))
        loads, times = [os.getloadavg()[0]], [time.perf_counter()]
        asked.answered(alone, Budget(), ACTORS * CONCURRENCY, None, None, quiet=True)
        loads.append(os.getloadavg()[0])
        times.append(time.perf_counter())
        killer = Killer(count)
        with_ray(asked, torn, options, killer)
        loads.append(os.getloadavg()[0])
        times.append(time.perf_counter())
        expected, found = texts(alone, asked), texts(torn, asked)
    same = len(set(found) & set(expected)) if len(found) == count else -1
    started, middle, ended = times
    return "\n".join(
        [
            "# `batch --ray` beside `batch`",
            "",
            f"`python -m benchmarks.ray_batch {count}`: {count} short held-out stories, the "
            f"shipped models on llama.cpp (xllamacpp {version('xllamacpp')}), three servers for "
            f"both runs; Ray {version('ray')} on this machine, {ACTORS} actors of {CONCURRENCY} "
            f"answers at a time, against one process of {ACTORS * CONCURRENCY}. "
            f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.",
            "",
            f"- {len(killer.killed)} actors of Ray, each a worker process, were killed by SIGKILL "
            "while they answered, after a third and two thirds of the answers.",
            f"- Answered once each, with the text of `batch`: {same} of {count}.",
            "- Answers a second, over those of `batch` in the same run: "
            f"{(middle - started) / (ended - middle):.2f} with the start of Ray and its actors, "
            f"{(middle - started) / (ended - killer.began):.2f} from the first answer on.",
            "- Load average before `batch`, between the two, and after Ray: "
            f"{', '.join(f'{load:.0f}' for load in loads)}.",
            "",
        ]
    )


if __name__ == "__main__":
    page = measure(int(sys.argv[1]) if sys.argv[1:] else COUNT)
    OUT.write_text(page, encoding="utf-8")
    print(page)
