"""What is remembered of each run in progress."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from rsd_graph.answer.ledger import Entry, joined

T = TypeVar("T")

REMEMBERED_RUNS = 10_000
"""Runs in progress that are remembered; the oldest make room, so that memory is bounded."""


class Runs(Generic[T]):
    """One item for each run in progress.

    Every run is ended when it finishes, fails or is cancelled. Only one that its caller stopped
    between two nodes, and neither resumed nor ended, stays until it must make room. What its item
    had cost is owed to it then, and as many debts are remembered as items.

    Args:
        drop: Called with an item that nobody will use; the entry of what it had cost.
    """

    def __init__(self, drop: Callable[[T], Entry]) -> None:
        self._drop = drop
        self._items: OrderedDict[str, T] = OrderedDict()
        self._owed: OrderedDict[str, Entry] = OrderedDict()

    def keep(self, run: str, item: T) -> None:
        """Remember *item* as what there is of *run*."""
        self._items[run] = item
        self._items.move_to_end(run)
        if len(self._items) > REMEMBERED_RUNS:
            oldest, dropped = self._items.popitem(last=False)
            if cost := self._drop(dropped):
                self._owed[oldest] = joined(self._owed.pop(oldest, {}), cost)
        if len(self._owed) > REMEMBERED_RUNS:
            self._owed.popitem(last=False)

    def find(self, run: str) -> T | None:
        """What there is of *run*."""
        return self._items.get(run)

    def take(self, run: str) -> T | None:
        """What there is of *run*, which is forgotten here."""
        return self._items.pop(run, None)

    def end(self, run: str) -> Entry:
        """Forget *run*; the entry of what it had in vain, of items that made room too."""
        item = self._items.pop(run, None)
        return joined(self._owed.pop(run, {}), {} if item is None else self._drop(item))
