"""Nodes and routers that serve both `invoke` and `ainvoke`, without a thread hop in either."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig

from rsd_graph._sync import run_sync
from rsd_graph.errors import RSDError
from rsd_graph.state import RSDState


class Node(Runnable[RSDState, dict[str, Any]]):
    """An async node that sync graphs can run too. Errors leave it with the settled steps on them."""

    def __init__(self, name: str, function: Callable[[RSDState], Awaitable[dict[str, Any]]]) -> None:
        self.name = name
        self._function = function

    def invoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Run the node from sync code."""
        return run_sync(self.ainvoke(input))

    async def ainvoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Run the node."""
        try:
            return await self._function(input)
        except RSDError as error:
            error.steps, error.ledger = list(input.get("steps", [])), input.get("ledger")
            raise


class Router(Runnable[RSDState, str]):
    """A pure decision over the state; named after the question it answers."""

    def __init__(self, name: str, function: Callable[[RSDState], str]) -> None:
        self.name = name
        self._function = function

    def invoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> str:
        """Decide."""
        return self._function(input)

    async def ainvoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> str:
        """Decide."""
        return self._function(input)
