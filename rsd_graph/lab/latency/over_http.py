"""End to end on a real clock: our whole stack over HTTP against the latency simulation.

The virtual clock counts our own code as free. Here the same questions go through the real graph,
providers and sockets to the simulation in its own process, and what is lost shows.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.loops import Answered, graph_arm
from rsd_graph.lab.latency.measure import LOOKAHEAD, run
from rsd_graph.lab.latency.simulator import simulator
from rsd_graph.lab.latency.workload import Workload


@dataclass(frozen=True, slots=True)
class WireCheck:
    """One arm, over HTTP and on the virtual clock.

    Attributes:
        wire_s: Mean latency over HTTP, in real seconds.
        virtual_s: Mean latency on the virtual clock.
        cpu_share: CPU time of this process over wall-clock time.
        load: The machine's load average when it was measured (1 minute).
        same_steps: Whether both settled the very same steps.
    """

    preset: str
    arm: str
    answers: int
    concurrency: int
    wire_s: float
    virtual_s: float
    cpu_share: float
    load: float
    same_steps: bool


def check(arm: str, preset: Preset, questions: Sequence[int], concurrency: int) -> WireCheck:
    """Run one of our arms both ways."""
    workload = Workload()
    virtual, _ = run(arm, preset, workload, questions, concurrency)
    real, share = asyncio.run(_over_http(arm, preset, workload, questions, concurrency))
    return WireCheck(
        preset=preset.name,
        arm=arm,
        answers=len(real),
        concurrency=concurrency,
        wire_s=fmean(answer.latency for answer in real),
        virtual_s=fmean(answer.latency for answer in virtual),
        cpu_share=share,
        load=os.getloadavg()[0],
        same_steps=[answer.steps for answer in real] == [answer.steps for answer in virtual],
    )


async def _over_http(
    arm: str, preset: Preset, workload: Workload, questions: Sequence[int], concurrency: int
) -> tuple[list[Answered], float]:
    async with simulator(preset.name, workload) as seats:
        cpu, wall = time.process_time(), time.perf_counter()
        answered = await graph_arm(questions, concurrency, seats, LOOKAHEAD[arm])
        share = (time.process_time() - cpu) / (time.perf_counter() - wall)
    return answered, share
