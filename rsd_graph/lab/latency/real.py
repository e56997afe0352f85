"""Measured for real: the shipped models through llama.cpp on this machine's CPU.

These models have a few hundred thousand parameters: a step takes milliseconds, and on a CPU all
three share the same cores, so running ahead takes time away from the PRM and the target. It shows
that look-ahead works on real servers and settles the same steps, not what GPUs would gain.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from rsd_graph.answer.state import Message, initial_state
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.experiment import Experiment
from rsd_graph.lab.latency.loops import Answered, graph_arm
from rsd_graph.lab.latency.measure import LOOKAHEAD
from rsd_graph.lab.latency.simulated import Seats


@dataclass(frozen=True, slots=True)
class RealRow:
    """One look-ahead on real models, in real seconds.

    Attributes:
        same_steps: Share of answers that settled the very steps of `sequential` (greedy decoding).
        load: The machine's load average when it was measured (1 minute).
    """

    arm: str
    concurrency: int
    answers: int
    mean: float
    p50: float
    first_step: float
    waste: float
    prm_calls: float
    same_steps: float
    load: float


@dataclass(frozen=True, slots=True)
class _Asked:
    """Held-out problems of the shipped models' task."""

    texts: Sequence[str]

    def conversation(self, question: int) -> list[Message]:
        return initial_state(self.texts[question])["conversation"]


async def measure(answers: int, concurrencies: Sequence[int] = (1, 8)) -> list[RealRow]:
    """Each look-ahead over the same problems, greedy."""
    asked = _Asked([problem.question for problem in held_out_problems(answers)])
    setup = Experiment().setup()
    models, limits = setup.models, setup.limits
    seats = Seats(models.draft, models.target, models.prm, asked)
    await graph_arm(range(min(4, answers)), 4, seats, 0, limits)  # starts the servers
    rows = []
    for concurrency in concurrencies:
        expected: list[Answered] = []
        for arm, lookahead in LOOKAHEAD.items():
            found = await graph_arm(range(answers), concurrency, seats, lookahead, limits)
            expected = expected or found
            rows.append(_row(arm, concurrency, found, expected))
    return rows


def _row(
    arm: str, concurrency: int, found: Sequence[Answered], expected: Sequence[Answered]
) -> RealRow:
    ledgers = [answer.ledger for answer in found]
    drafted = sum(lg["draft"]["completion_tokens"] + lg["cancelled_draft_tokens"] for lg in ledgers)
    vain = sum(lg["wasted_draft_tokens"] + lg["cancelled_draft_tokens"] for lg in ledgers)
    return RealRow(
        arm=arm,
        concurrency=concurrency,
        answers=len(found),
        mean=fmean(answer.latency for answer in found),
        p50=median(answer.latency for answer in found),
        first_step=median(answer.first_step for answer in found),
        waste=vain / drafted,
        prm_calls=fmean(lg["prm"]["calls"] for lg in ledgers),
        same_steps=fmean(a.steps == b.steps for a, b in zip(found, expected, strict=True)),
        load=os.getloadavg()[0],
    )


def run(answers: int) -> list[RealRow]:
    """`measure`, from sync code."""
    return asyncio.run(measure(answers))
