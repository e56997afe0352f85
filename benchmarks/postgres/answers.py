"""What is stored: answers of any length by models that are functions, and the checkpointer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from rsd_graph import Limits, candidate, create_rsd_graph, initial_state, reward_threshold
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate, Step
from rsd_graph.providers.base import Prefix, Scores, StepRequest

STEPS = 24
MODEL_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Slow:
    """Writes step number n, or judges it, in two milliseconds; every fourth draft is rejected.

    Attributes:
        role: The seat.
        steps: Of an answer.
        tells: Says on standard output that it is asked.
    """

    role: str
    steps: int
    tells: bool = False
    reward_range: tuple[float, float] = (0.0, 1.0)

    async def write_step(self, request: StepRequest) -> Candidate:
        """A step of 400 characters."""
        index = len(request.prefix.steps)
        await self._work()
        ended = "eos" if index == self.steps - 1 else "separator"
        return candidate(f"{self.role} {index} {request.seed:0380}", ended)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """By its place alone."""
        await self._work()
        first = len(prefix.steps)
        return Scores(
            [0.1 if (first + n) % 4 == 3 else 0.9 for n in range(len(candidates))], usage()
        )

    async def _work(self) -> None:
        if self.tells:
            print(self.role, flush=True)
        await asyncio.sleep(MODEL_SECONDS)


def graph(steps: int = STEPS, *, tells: bool = False, delta: float = 0.7) -> Any:
    """An uncompiled graph whose answers have so many steps."""
    draft, target, prm = (Slow(role, steps, tells) for role in ("draft", "target", "prm"))
    limits = Limits(max_tokens=10**6, max_steps=10**6)
    return create_rsd_graph(
        draft=draft, target=target, prm=prm, limits=limits, accept=reward_threshold(delta)
    )


def thread(name: str) -> Any:
    """The config of a thread."""
    return {"configurable": {"thread_id": name}}


@asynccontextmanager
async def savers(url: str, connections: int = 8) -> AsyncIterator[AsyncPostgresSaver]:
    """A checkpointer over a pool of connections, its tables made."""
    settings = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(
        url, min_size=connections, max_size=connections, kwargs=settings, open=False
    ) as pool:
        saver = AsyncPostgresSaver(pool)  # type: ignore[arg-type]
        await saver.setup()
        yield saver


def words(steps: Sequence[Step]) -> list[tuple[str, str, float | None]]:
    """Who wrote what, and its reward."""
    return [(step["source"], step["text"], step["reward"]) for step in steps]


async def undisturbed(seed: int) -> list[tuple[str, str, float | None]]:
    """The answer of a run without a checkpointer."""
    answer = await graph().compile().ainvoke(initial_state("q", seed=seed))
    return words(answer["steps"])
