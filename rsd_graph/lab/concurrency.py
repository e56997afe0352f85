"""Many questions at once, but no more than that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from rsd_graph.providers.prm.each import all_or_none

T = TypeVar("T")
R = TypeVar("R")


async def at_most(count: int, work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """The results of *work* on each of *items*, *count* at a time, in their order.

    The first error, or a cancellation, ends the others.
    """
    semaphore = asyncio.Semaphore(count)

    async def one(item: T) -> R:
        async with semaphore:
            return await work(item)

    return await all_or_none(one(item) for item in items)
