"""How the algorithm meets LangGraph: nodes and routers that serve sync and async callers alike,
and a graph whose length only its own limits decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from rsd_graph._sync import run_sync
from rsd_graph.errors import RSDError
from rsd_graph.events import Event
from rsd_graph.lookahead import Drafter
from rsd_graph.state import RSDInput, RSDOutput, RSDState

NodeFunction = Callable[[Any], Awaitable[dict[str, Any]]]
"""State of one answer -> the update of it."""


class Node(Runnable[RSDState, dict[str, Any]]):
    """An async node that sync graphs can run too.

    What it did is told to whoever streams custom events. An error leaves it with the settled steps
    on it, and whatever ends the run early, cancellation included, is told to *on_abort*.
    """

    def __init__(
        self,
        name: str,
        function: NodeFunction,
        on_abort: Callable[[RSDState], object],
        events: Callable[[RSDState, dict[str, Any]], Iterable[Event]],
    ) -> None:
        self.name = name
        self._function = function
        self._on_abort = on_abort
        self._events = events

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
            update = await self._function(input)
            tell = get_stream_writer()
            for event in self._events(input, update):
                tell(event)
            return update
        except BaseException as error:
            self._on_abort(input)
            if isinstance(error, RSDError):
                error.steps, error.ledger = list(input.get("steps", [])), input.get("ledger")
            raise


class Router(Runnable[RSDState, str]):
    """A pure decision over the state; named after the question it answers."""

    def __init__(self, name: str, function: Callable[[RSDState], str]) -> None:
        self.name = name
        self._function = function

    def invoke(self, input: RSDState, config: RunnableConfig | None = None, **kwargs: Any) -> str:
        """Decide."""
        return self._function(input)

    async def ainvoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> str:
        """Decide."""
        return self._function(input)


class CompiledRSDGraph(CompiledStateGraph[RSDState, None, RSDInput, RSDOutput]):
    """A compiled RSD graph, which LangGraph's recursion limit never cuts short.

    That limit guards against endless loops by counting supersteps, three per RSD step, and an
    enclosing chain or graph passes its own down (25 in LangChain: eight steps). `Limits` is what
    ends an RSD run, so the limit is lifted, wherever the graph is embedded.
    """

    @property
    def drafter(self) -> Drafter:
        """What drafts in this graph; see `RSDGraph.drafter`."""
        return cast("RSDGraph", self.builder).drafter

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """See LangGraph's `stream`."""
        return super().stream(input, _unlimited(config), **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """See LangGraph's `astream`."""
        return super().astream(input, _unlimited(config), **kwargs)


def _unlimited(config: RunnableConfig | None) -> RunnableConfig:
    return {**(config or {}), "recursion_limit": 10**6}


class RSDGraph(StateGraph[RSDState, None, RSDInput, RSDOutput]):
    """The uncompiled RSD graph: a `StateGraph` that compiles to a `CompiledRSDGraph`.

    Attributes:
        drafter: What drafts in this graph; tell it `discard(seed)` when you abandon a run between
            two nodes, as the chat model does.
    """

    def __init__(self, drafter: Drafter) -> None:
        super().__init__(RSDState, input_schema=RSDInput, output_schema=RSDOutput)
        self.drafter = drafter

    def compile(self, *args: Any, **kwargs: Any) -> CompiledRSDGraph:
        """See LangGraph's `StateGraph.compile`."""
        compiled = super().compile(*args, **kwargs)
        # LangGraph names the class it compiles to; ours adds methods and no fields.
        compiled.__class__ = CompiledRSDGraph
        return cast("CompiledRSDGraph", compiled)
