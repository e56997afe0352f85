"""A clock that stands still until a test moves it, and what costs so much by it."""

from __future__ import annotations

from rsd_graph import EndpointConnectionError
from rsd_graph.answer.ledger import Usage, usage


class Clock:
    """The time of an event loop."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        """In seconds."""
        return self.now


def spent(tokens: int) -> Usage:
    """So many tokens at 5 ms each."""
    return usage(completion_tokens=tokens, ms=5.0 * tokens, cached_tokens=0)


def failed_after(tokens: int) -> EndpointConnectionError:
    """The error of a call that had cost so much before it failed."""
    error = EndpointConnectionError("no connection.")
    error.spent = spent(tokens)
    return error
