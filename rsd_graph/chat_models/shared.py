"""What all copies of one chat model share: connections and compiled graphs.

LangChain copies a model for every call that changes a field, and clients and their connections
are too dear to be copied with it (20 ms each).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Shared:
    """Remembers what was built, the most recently used of it; safe between threads."""

    _MOST = 256

    def __init__(self) -> None:
        self._built: OrderedDict[Hashable, Any] = OrderedDict()
        self._turn = threading.RLock()

    def once(self, key: Hashable, build: Callable[[], T]) -> T:
        """What *build* returned for this *key* the first time."""
        with self._turn:
            if key not in self._built:
                self._built[key] = build()
            self._built.move_to_end(key)
            if len(self._built) > self._MOST:
                self._built.popitem(last=False)
            return cast("T", self._built[key])

    def __reduce__(self) -> tuple[Any, ...]:
        """Connections are neither pickled nor deep-copied: a copy elsewhere builds its own."""
        return (Shared, ())
