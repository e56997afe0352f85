"""What happens between two steps, for clients that asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler

from rsd_graph.answer.events import Event


class Events(AsyncCallbackHandler):
    """Hears of drafted, scored, accepted, rejected and settled steps the moment they are.

    Args:
        tell: Called with each event.
    """

    def __init__(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    async def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        """One event of the graph."""
        if name == "rsd":
            self._tell(data)
