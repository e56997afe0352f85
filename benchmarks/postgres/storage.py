"""What a stored answer takes: its room, and the rows that are read to get it back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psycopg
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from benchmarks.postgres.answers import graph, savers, thread
from rsd_graph import initial_state

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


@dataclass(frozen=True, slots=True)
class Grown:
    """What one stored answer takes. Rows are those that the database fetched for it.

    Attributes:
        steps: Of it.
        checkpoints: Of it.
        kilobytes: Of its rows in all three tables.
        resume: Rows, to read its newest state.
        listed: Rows, to list its checkpoints by the checkpointer itself.
        looped: The same by connections that may not join by hashing or merging; it is less only
            once autovacuum has made statistics.
        newest: Rows, to rebuild its state at its ten newest checkpoints.
        history: Rows, to rebuild its state at every checkpoint.
        history_cpu: Our own CPU seconds for that.
    """

    steps: int
    checkpoints: int
    kilobytes: float
    resume: int
    listed: int
    looped: int
    newest: int
    history: int
    history_cpu: float


NESTED_LOOPS = "&options=-c%20enable_hashjoin%3Doff%20-c%20enable_mergejoin%3Doff"


async def grown(url: str, steps: int) -> Grown:
    """Store one answer, and read it in every way."""
    config, uncompiled = thread(f"long {steps}"), graph(steps)
    async with savers(url, 1) as saver:
        compiled = uncompiled.compile(checkpointer=saver)
        await compiled.ainvoke(initial_state("q", seed=1), config)
        checkpoints = len([row async for row in saver.alist(config)])

    async def resume(saver: AsyncPostgresSaver) -> None:
        await uncompiled.compile(checkpointer=saver).aget_state(config)

    async def listed(saver: AsyncPostgresSaver) -> None:
        assert len([row async for row in saver.alist(config)]) == checkpoints

    async def newest(saver: AsyncPostgresSaver) -> None:
        states = uncompiled.compile(checkpointer=saver).aget_state_history(config, limit=10)
        assert len([state async for state in states]) == 10

    async def history(saver: AsyncPostgresSaver) -> None:
        states = uncompiled.compile(checkpointer=saver).aget_state_history(config)
        assert len([state async for state in states]) == checkpoints

    counts = [await rows_read(url, way) for way in (resume, listed)]
    counts += [await rows_read(url + NESTED_LOOPS, listed), await rows_read(url, newest)]
    begun = time.process_time()
    counts.append(await rows_read(url, history))
    took = time.process_time() - begun
    return Grown(steps, checkpoints, kilobytes(url, f"long {steps}"), *counts, took)


async def rows_read(url: str, read: Callable[[AsyncPostgresSaver], Awaitable[None]]) -> int:
    """Rows of the checkpointer's tables that PostgreSQL fetched for *read*, by its own count."""
    before = _fetched(url)
    async with savers(url, 1) as saver:
        await read(saver)
    return _fetched(url) - before  # a connection that is closed has reported


def _fetched(url: str) -> int:
    query = (
        "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables WHERE relname = ANY(%s)"
    )
    with psycopg.connect(url) as connection:
        row = connection.execute(query, [list(TABLES)]).fetchone()
    return int(row[0] or 0) if row else 0


def kilobytes(url: str, name: str) -> float:
    """Of the rows of a thread, as they are stored."""
    found = 0
    with psycopg.connect(url) as connection:
        for one in TABLES:
            query = f"SELECT sum(pg_column_size(t.*)) FROM {one} t WHERE thread_id = %s"
            row = connection.execute(query, [name]).fetchone()  # type: ignore[arg-type]
            found += int(row[0] or 0) if row else 0
    return found / 1000
