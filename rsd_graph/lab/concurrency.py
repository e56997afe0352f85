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
    results = dict[int, R]()

    async def keep(numbered: tuple[int, T]) -> None:
        number, item = numbered
        results[number] = await work(item)

    await each_of(count, keep, enumerate(items))
    return [results[number] for number in sorted(results)]


async def each_of(count: int, work: Callable[[T], Awaitable[object]], items: Iterable[T]) -> None:
    """*work* on each of *items*, *count* at a time; see `at_most`. Nothing is kept.

    An item is taken the moment it is worked on, so that there may be any number of them.
    """
    waiting = iter(items)

    async def take_turns() -> None:
        for item in waiting:
            await work(item)

    await all_or_none(take_turns() for _ in range(count))
