"""Many questions at once, but no more than that."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from rsd_graph.providers.prm.each import all_or_none

T = TypeVar("T")
R = TypeVar("R")


async def at_most(count: int, work: Callable[[T], Awaitable[R]], items: Iterable[T]) -> list[R]:
    """The results of *work* on each of *items*, *count* at a time, in their order.

    The first error, or a cancellation, ends those under way, and no more are begun.
    """
    waiting, results = enumerate(items), dict[int, R]()

    async def take_turns() -> None:
        for number, item in waiting:
            results[number] = await work(item)

    await all_or_none(take_turns() for _ in range(count))
    return [results[number] for number in sorted(results)]
