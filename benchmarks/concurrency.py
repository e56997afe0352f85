"""What `max_concurrency="auto"` finds, beside fixed 16, 64 and 256 requests in flight.

Run `python -m benchmarks.concurrency`; writes `benchmarks/results/concurrency.md`. One server is
real, llama.cpp with eight slots. The others are SIMULATED, each by one formula, on a virtual clock;
the limit in front of them is the real one.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from statistics import median
from typing import Literal

from rsd_graph.embedded.engine import Engine
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.latency.clock import run_virtual
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.level import Gate, Level, watched_levels

Setting = int | Literal["auto"]

SETTINGS: Sequence[Setting] = (16, 64, 256, "auto")
ANSWERS, REQUESTS = 512, 12_000
SLOTS, REAL_REQUESTS, ROUNDS = 8, 1500, 5
OUT = Path(__file__).parent / "results" / "concurrency.md"


@dataclass(frozen=True, slots=True)
class Server:
    """A simulated server.

    Attributes:
        name: What it stands for.
        seconds: How long a request takes on average with so many in flight.
        refuses: From how many in flight on it answers 429.
    """

    name: str
    seconds: Callable[[int], float]
    refuses: int = 10**9


SERVERS = (
    Server("8 slots, others wait", lambda many: 0.2 * max(1.0, many / 8)),
    Server("64 slots, others wait", lambda many: 0.2 * max(1.0, many / 64)),
    Server("batches: twice as slow with 128", lambda many: 0.2 * (1 + many / 128)),
    Server("429 beyond 48", lambda many: 0.2, refuses=48),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one setting came to at one server."""

    rate: float
    seconds: float
    refused: float


async def simulate(server: Server, setting: Setting) -> Found:
    """So many answers at a time, each asking one request after the other; the second half counts.

    A refused request is asked again after half a second, as the retries would.
    """
    level = Level(Endpoint("http://x", max_concurrency=setting).most_in_flight, setting == "auto")
    gate, rng, loop = Gate(level), random.Random(0), asyncio.get_running_loop()
    times: list[tuple[float, float]] = []
    refusals: list[float] = []

    async def answer() -> None:
        while len(times) < REQUESTS:
            async with gate.turn() as turn:
                begun = loop.time()
                if gate.inside > server.refuses:
                    turn.answered(429)
                    refusals.append(loop.time())
                else:
                    await asyncio.sleep(server.seconds(gate.inside) * rng.expovariate(1))
                    turn.answered(200)
                    times.append((loop.time(), loop.time() - begun))
                    continue
            await asyncio.sleep(0.5)

    await asyncio.gather(*(answer() for _ in range(ANSWERS)))
    half, end = times[REQUESTS // 2][0], times[REQUESTS - 1][0]
    later = [took for at, took in times if at >= half]
    refused = sum(at >= half for at in refusals) / len(later)
    return Found(len(later) / (end - half), median(later), refused)


def simulated() -> list[str]:
    """The rows of the simulated servers: rates beside the best fixed one."""
    rows = []
    for server in SERVERS:
        found = {setting: run_virtual(simulate(server, setting)) for setting in SETTINGS}
        best = max(found[setting].rate for setting in SETTINGS if setting != "auto")
        for setting, one in found.items():
            rows.append(
                f"| {server.name} | {setting} | {one.rate / best:.2f} "
                f"| {one.seconds * 1000:.0f} | {one.refused:.0%} |"
            )
    return rows


async def ask_llamacpp(url: str, setting: Setting, stories: Sequence[str]) -> tuple[float, int]:
    """As many answers at a time ask a real server; its rate in the second half, and the limit."""
    client, begun, times = Client(Endpoint(url, max_concurrency=setting)), count(), list[float]()

    async def answer() -> None:
        while (number := next(begun)) < REAL_REQUESTS:
            prompt = stories[number % len(stories)]
            body = {"prompt": prompt, "n_predict": 16, "temperature": 0, "ignore_eos": True}
            await client.post("/completion", body, dict)
            times.append(time.perf_counter())

    with watched_levels() as levels:
        await asyncio.gather(*(answer() for _ in range(ANSWERS)))
    await client.aclose()
    half, end = times[REAL_REQUESTS // 2], times[-1]
    (level,) = levels.values()
    return (REAL_REQUESTS - REAL_REQUESTS // 2) / (end - half), level.limit


def real() -> list[str]:
    """The rows of llama.cpp: rates beside the best fixed one of the same round."""
    stories = [problem.question for problem in held_out_problems(200)]
    shares, limits = defaultdict[Setting, list[float]](list), defaultdict[Setting, list[int]](list)
    engine = Engine()
    url = engine.endpoint(f"draft?slots={SLOTS}").url
    for _ in range(ROUNDS):
        rates = dict[Setting, float]()
        for setting in SETTINGS:
            rates[setting], limit = asyncio.run(ask_llamacpp(url, setting, stories))
            limits[setting].append(limit)
        best = max(rate for setting, rate in rates.items() if setting != "auto")
        for setting, rate in rates.items():
            shares[setting].append(rate / best)
    engine.close()
    return [
        f"| {setting} | {median(shares[setting]):.2f} ({min(shares[setting]):.2f} to "
        f"{max(shares[setting]):.2f}) | {', '.join(map(str, limits[setting]))} |"
        for setting in SETTINGS
    ]


def measure() -> str:
    """The page."""
    return "\n".join(
        [
            "# Concurrency that finds its level",
            "",
            f"`python -m benchmarks.concurrency`: {ANSWERS} answers at a time in front of one "
            "server, each asking request after request; rates of the second half of "
            f"{REQUESTS:,} requests over the best fixed number's.",
            "",
            "## A real server",
            "",
            f"llama.cpp (xllamacpp {version('xllamacpp')}) with the shipped draft and {SLOTS} "
            f"slots, {REAL_REQUESTS:,} requests for 16 tokens; every setting in each of {ROUNDS} "
            f"rounds, compared within its round: median and range. Load average "
            f"{os.getloadavg()[0]:.0f} on {os.cpu_count()} cores.",
            "",
            "| in flight at most | rate over the best fixed one | limit at the end |",
            "|---|---|---|",
            *real(),
            "",
            "More than its slots wait inside the server. What other work the machine has is in the "
            "ranges, and in what `auto` finds.",
            "",
            "## Simulated servers",
            "",
            "**It is a simulation**: each server is one formula for the mean time of a request, "
            "times are exponential, the clock is virtual. The limit in front of them is the real "
            "one.",
            "",
            "| simulated server | in flight at most | rate over the best fixed one "
            "| median ms in the server | refused |",
            "|---|---|---|---|---|",
            *simulated(),
            "",
        ]
    )


if __name__ == "__main__":
    OUT.write_text(measure(), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))
