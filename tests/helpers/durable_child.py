"""A process that answers one question with a checkpointer, and says what it asks of its models."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Semaphore
from typing import Any, NamedTuple

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from rsd_graph import Limits, Phases, Prefix, Scores, StepRequest, candidate, create_rsd_graph
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate, Ended, initial_state

STEPS = 12
NOBODY_THINKS = Phases()
THREAD: Any = {"configurable": {"thread_id": "one"}}


class Report(NamedTuple):
    """Where calls are told, and how many more may be made: then the process waits for its end."""

    told: Connection
    left: Semaphore


class Reporting:
    """A model or PRM that reports each call before it answers; every third draft is rejected."""

    reward_range = (0.0, 1.0)

    def __init__(self, role: str, report: Report | None = None) -> None:
        self._role = role
        self._report = report

    async def write_step(self, request: StepRequest) -> Candidate:
        index = len(request.prefix.steps)
        self._say(index)
        ended: Ended = "eos" if index == STEPS - 1 else "separator"
        if request.prefix.phase == "thinking" and index == STEPS // 2:
            ended = "closed"
        return candidate(f"{self._role} {index}", ended)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        index = len(prefix.steps)
        self._say(index)
        return Scores([0.1 if index % 3 == 2 else 0.9], usage())

    def _say(self, index: int) -> None:
        if self._report is not None:
            self._report.left.acquire()
            self._report.told.send((self._role, index))


def durable_graph(report: Report | None = None, phases: Phases = NOBODY_THINKS) -> Any:
    """The graph of this process, uncompiled."""
    return create_rsd_graph(
        draft=Reporting("draft", report),
        target=Reporting("target", report),
        prm=Reporting("prm", report),
        limits=Limits(max_repeats=STEPS),
        phases=phases,
    )


def live(database: str, report: Report, phases: Phases = NOBODY_THINKS) -> None:
    """Start the answer, or go on where the last process died."""
    asyncio.run(_live(database, report, phases))


async def _live(database: str, report: Report, phases: Phases) -> None:
    async with AsyncSqliteSaver.from_conn_string(database) as saver:
        graph = durable_graph(report, phases).compile(checkpointer=saver)
        started = (await graph.aget_state(THREAD)).created_at is not None
        question = None if started else initial_state("q", seed=1)
        await graph.ainvoke(question, THREAD, durability="sync")
    report.told.send(("done", STEPS))
