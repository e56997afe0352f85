"""What is remembered of each run in progress."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

REMEMBERED_RUNS = 10_000
"""Runs in progress that are remembered; the oldest make room, so that memory is bounded."""


class Runs(Generic[T]):
    """One item for each run in progress.

    Every run is ended when it finishes, fails or is cancelled. Only one that its caller stopped
    between two nodes, and neither resumed nor ended, stays until it must make room.

    Args:
        drop: Called with an item that makes room.
    """

    def __init__(self, drop: Callable[[T], object]) -> None:
        self._drop = drop
        self._items: OrderedDict[str, T] = OrderedDict()

    def keep(self, run: str, item: T) -> None:
        """Remember *item* as what there is of *run*."""
        self._items[run] = item
        self._items.move_to_end(run)
        if len(self._items) > REMEMBERED_RUNS:
            self._drop(self._items.popitem(last=False)[1])

    def take(self, run: str) -> T | None:
        """What there is of *run*, which is forgotten here."""
        return self._items.pop(run, None)
