"""What `rsd-graph serve` adds to `ChatRSD`: 256 streams at once, and 500 clients that hang up.

Run `python -m benchmarks.serve_load`; writes `benchmarks/results/serve_load.md`. Three processes:
endpoints that answer at once, the server, and a process with `ChatRSD` alone. The last two take
turns at the same questions; shares and counts carry over to other machines, no time does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from benchmarks.serve_hang_ups import HangUps, hang_ups
from benchmarks.serving import STEPS, asking, cpu_seconds, over_http, resident_mb
from rsd_graph.cli import OBJECTS_BETWEEN_COLLECTIONS
from rsd_graph.lab.latency.process import started

STREAMS, ROUNDS, IN_TURN = 256, 11, 100
STEP_SECONDS = 0.2  # what a small model of a few billion parameters needs for one
HANG_UPS, SEED = 500, 0
OUT = Path(__file__).parent / "results" / "serve_load.md"


@dataclass(slots=True)
class Round:
    """What one side did with one round of questions.

    Attributes:
        cpu: Seconds of CPU of the process that answered.
        steps: Steps that were settled.
        first: Seconds until the first step of each answer.
    """

    cpu: float = 0.0
    steps: int = 0
    first: list[float] = field(default_factory=list)


Answer = Callable[[str], Awaitable[tuple[int, float]]]
"""A question -> how many steps, and seconds until the first."""


async def answered(one: Answer, questions: list[str], at_once: int) -> Round:
    """All questions, so many at once; CPU is this process's."""
    left, found, cpu = iter(questions), Round(), time.process_time()

    async def work() -> None:
        for question in left:
            steps, first = await one(question)
            found.steps += steps
            found.first.append(first)

    await asyncio.gather(*(work() for _ in range(at_once)))
    found.cpu = time.process_time() - cpu
    return found


# -- the two sides -------------------------------------------------------------------------------


async def alone(upstream: str) -> None:
    """A process with `ChatRSD`: told a round, it answers it and says what that took."""
    model = over_http(*3 * [upstream])

    async def one(question: str) -> tuple[int, float]:
        began, first, steps = time.perf_counter(), 0.0, 0
        async for chunk in model.astream(question):
            if chunk.text:
                first = first or time.perf_counter() - began
                steps += 1
        return steps, first

    while line := await asyncio.to_thread(sys.stdin.readline):
        told = json.loads(line)
        found = await answered(one, told["questions"], told["at_once"])
        print(json.dumps([found.cpu, found.steps, found.first]), flush=True)


def server(upstream: str) -> None:
    """A process with the server."""
    from rsd_graph.server import Admission, Catalog, ServerOptions, create_app
    from rsd_graph.server.process import listening, run_server

    admission = Admission(STREAMS, STREAMS)
    app = create_app(Catalog({"math": over_http(*3 * [upstream])}), ServerOptions(), admission)
    with listening("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)
        run_server(app, admission, listener, drain=0)


@asynccontextmanager
async def child(side: str, upstream: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One of the two, in a process of its own."""
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    command = [sys.executable, "-m", "benchmarks.serve_load", side, upstream]
    process = await asyncio.create_subprocess_exec(*command, **pipes, limit=2**24)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def by_itself(process: asyncio.subprocess.Process, told: dict[str, object]) -> Round:
    """A round of `ChatRSD` alone."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(told).encode() + b"\n")
    return Round(*json.loads(await process.stdout.readline()))


def streamed(port: int) -> Answer:
    """Asks the server, over a connection for each question, as a browser tab would."""

    async def one(question: str) -> tuple[int, float]:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began, first, steps = time.perf_counter(), 0.0, 0
        writer.write(asking(question))
        while line := await reader.readline():
            if b'"content": "' in line and b'"content": ""' not in line:
                first = first or time.perf_counter() - began
                steps += 1
            if line == b"data: [DONE]\n":
                break
        writer.close()
        return steps, first

    return one


# -- the measurement -----------------------------------------------------------------------------


@dataclass(slots=True)
class Load:
    """Both sides, round by round.

    Attributes:
        served: The server's rounds.
        alone: `ChatRSD`'s.
        in_turn: One round of each with one question at a time.
        memory: Resident MB of the server after each round.
        waiting: One round of each, all at once, over endpoints that take `STEP_SECONDS` for a step.
        waiting_in_turn: The same, one question at a time.
    """

    served: list[Round] = field(default_factory=list)
    alone: list[Round] = field(default_factory=list)
    in_turn: list[Round] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    waiting: list[Round] = field(default_factory=list)
    waiting_in_turn: list[Round] = field(default_factory=list)


Sides = Callable[[int, int, str], Awaitable[tuple[Round, Round]]]
"""So many questions, so many at once, a name for them -> the server's round and `ChatRSD`'s."""


@asynccontextmanager
async def sides(*endpoints: str) -> AsyncIterator[tuple[Sides, int]]:
    """Both sides, connections and caches warm, and the server's process."""
    async with (
        started("rsd_graph.lab.latency.overhead", *endpoints) as upstream,
        child("alone", upstream) as other,
        child("server", upstream) as process,
    ):
        assert process.stdout is not None
        one = streamed(int(await process.stdout.readline()))

        async def both(count: int, at_once: int, name: str) -> tuple[Round, Round]:
            questions = [f"Question {name} {number}" for number in range(count)]
            own = await by_itself(other, {"questions": questions, "at_once": at_once})
            before = cpu_seconds(process.pid)
            served = await answered(one, questions, at_once)
            served.cpu = cpu_seconds(process.pid) - before
            return served, own

        for part in (1, 2, 4):
            await both(part * STREAMS // 4, part * STREAMS // 4, f"warm {part}")
        yield both, process.pid


async def under_load(streams: int, rounds: int, in_turn: int) -> Load:
    """*rounds* of each side, by turns, then *in_turn* questions singly; then with slower models."""
    found = Load()
    async with sides() as (both, process):
        for number in range(rounds):
            served, own = await both(streams, streams, str(number))
            found.served.append(served)
            found.alone.append(own)
            found.memory.append(resident_mb(process))
        found.in_turn += await both(in_turn, 1, "in turn")
    async with sides(str(STEP_SECONDS)) as (both, _):
        found.waiting += await both(streams, streams, "waiting")
        found.waiting_in_turn += await both(in_turn // 4, 1, "waiting in turn")
    return found


def first_step(sides: list[Round]) -> str:
    """The server's median time to the first step over `ChatRSD`'s, and both."""
    served, own = (median(side.first) for side in sides)
    return f"{served / own:.2f} times `ChatRSD`'s (here {1000 * served:.0f} and {1000 * own:.0f} ms"


def told_of_load(found: Load) -> list[str]:
    """The page's part about it."""

    def each(rounds: list[Round]) -> list[float]:
        return [1000 * one.cpu / one.steps for one in rounds]

    served, own = each(found.served), each(found.alone)
    ratios = sorted(a / b for a, b in zip(served, own, strict=True))
    memory = found.memory
    tenth, half = memory[len(memory) // 10], memory[len(memory) // 2]
    count = len(found.waiting_in_turn[0].first)
    crowd = [
        Round(first=[x for one in side for x in one.first]) for side in (found.served, found.alone)
    ]
    steps = sum(one.steps for one in found.served)
    return [
        f"- {len(served)} rounds of {len(found.served[0].first)} answers, {STREAMS} at once; "
        f"{steps:,} settled steps by the server, as many by `ChatRSD`.",
        f"- **CPU per settled step, the server's over `ChatRSD`'s: {median(ratios):.2f}** "
        f"(median of the rounds, of {ratios[0]:.2f} to {ratios[-1]:.2f}). "
        f"Here {median(served):.2f} ms and {median(own):.2f} ms.",
        "- Resident memory of the server after the first tenth of the rounds, half and all of "
        f"them: {tenth:.0f}, {half:.0f} and {memory[-1]:.0f} MB.",
        f"- **Time to the first step** where the draft takes {STEP_SECONDS:g} s for one: one "
        f"question at a time {first_step(found.waiting_in_turn)}, medians of {count}); "
        f"{STREAMS} at once, which this machine does not carry, {first_step(found.waiting)}).",
        f"- The same over endpoints that answer at once, where all of it is our own CPU, one more "
        f"process and one more connection: one question at a time {first_step(found.in_turn)}, "
        f"medians of {len(found.in_turn[0].first)}); {STREAMS} at once {first_step(crowd)}).",
    ]


def told_of_hang_ups(found: HangUps) -> list[str]:
    """The page's part about clients that leave."""
    waits = sorted(found.seconds)
    return [
        f"- {len(waits)} clients hung up (seed {SEED}): streaming or not, while the draft, the PRM "
        "or the target was at work. Requests that the three endpoints still had after that: "
        f"{found.left}.",
        f"- From the hang-up until the last of them had seen its connection close: at most "
        f"{1000 * waits[-1]:.0f} ms, {1000 * median(waits):.0f} ms in the median.",
        f"- After the first tenth and at the end: {found.tasks[0]} and {found.tasks[1]} tasks, "
        f"{found.files[0]} and {found.files[1]} open files and sockets, {found.memory[0]:.0f} and "
        f"{found.memory[1]:.0f} MB resident, of server, clients and endpoints in one process.",
    ]


def page(load: Load, gone: HangUps) -> str:
    """All of it."""
    return "\n".join(
        [
            "# What the server adds",
            "",
            "`python -m benchmarks.serve_load`: endpoints that answer at once, so that all the CPU "
            f"is ours; {STEPS} steps an answer, one of them rejected. {platform.machine()}, "
            f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, Python "
            f"{platform.python_version()}, uvicorn {version('uvicorn')}, Starlette "
            f"{version('starlette')}.",
            "",
            "## Under load",
            "",
            *told_of_load(load),
            "",
            "## When nobody listens",
            "",
            *told_of_hang_ups(gone),
            "",
        ]
    )


async def measure() -> str:
    """The page."""
    load = await under_load(STREAMS, ROUNDS, IN_TURN)
    print(*told_of_load(load), sep="\n", flush=True)
    return page(load, await hang_ups(HANG_UPS, SEED))


if __name__ == "__main__":
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)  # as rsd-graph does
    match sys.argv[1:]:
        case ["alone", upstream]:
            asyncio.run(alone(upstream))
        case ["server", upstream]:
            server(upstream)
        case _:
            OUT.write_text(asyncio.run(measure()), encoding="utf-8")
            print(OUT.read_text(encoding="utf-8"))
