"""What all copies of one chat model share: connections and compiled graphs.

LangChain copies a model for every call that changes a field, and clients and their connections
are too dear to be copied with it (20 ms each).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar, cast
from uuid import uuid4

from pydantic import SecretStr

from rsd_graph.acceptance import Weighting
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.recent import Recent
from rsd_graph.answer.thinking import Phases
from rsd_graph.providers.base import Sampling

T = TypeVar("T")

_THEMSELVES = (str, int, float, SecretStr, Sampling, Limits, Phases, type(None))


class Shared:
    """Remembers what was built, the most recently used of it; safe between threads."""

    _MOST = 256

    def __init__(self) -> None:
        self._built: Recent[Hashable, Any] = Recent(self._MOST)
        self._lock = threading.RLock()

    def once(self, key: Hashable, build: Callable[[], T]) -> T:
        """What *build* returned for this *key* the first time."""
        with self._lock:
            if key not in self._built:
                self._built[key] = build()
            return cast("T", self._built[key])

    def identity(self, value: object) -> Hashable:
        """What stands for *value* in the key of a cache: equal only where the answers would be.

        Plain data and the criteria of `rsd_graph.acceptance` stand for themselves. Anything else,
        such as a lambda, gets a token that nothing else ever gets, here or elsewhere.
        """
        if isinstance(value, _THEMSELVES):
            return value
        if isinstance(value, Mapping):
            return tuple(sorted((key, self.identity(each)) for key, each in value.items()))
        if isinstance(value, Weighting) and value.omega.__module__ == Weighting.__module__:
            return str(value)
        try:
            return json.dumps(value, sort_keys=True)
        except TypeError:
            token = f"{type(value).__name__} {uuid4().hex}"
            # The value is kept, too: as long as its token is known, nothing else has its id.
            return self.once(("token", id(value)), lambda: (token, value))[0]

    def __reduce__(self) -> tuple[Any, ...]:
        """Connections are neither pickled nor deep-copied: a copy elsewhere builds its own."""
        return (Shared, ())
