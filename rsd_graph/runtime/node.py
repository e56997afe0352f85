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

from rsd_graph.answer.events import Event
from rsd_graph.answer.state import RSDInput, RSDOutput, RSDState
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.lookahead import Drafter
from rsd_graph.errors import RSDError
from rsd_graph.runtime.sync import run_sync

NodeFunction = Callable[[Any], Awaitable[dict[str, Any]]]
"""State of one answer -> the update of it."""


class Node(Runnable[RSDState, dict[str, Any]]):
    """An async node that sync graphs can run too.

    What it did is told to whoever streams custom events. An error leaves it with the settled steps
    on it, and *on_abort* hears the seed of a run that ends early, cancellation included.
    """

    def __init__(
        self,
        name: str,
        function: NodeFunction,
        on_abort: Callable[[int | None], object],
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
            self._on_abort(input.get("seed"))
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

    def abandon(self, seed: int | None) -> None:
        """See `RSDGraph.abandon`."""
        cast("RSDGraph", self.builder).abandon(seed)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """See LangGraph's `stream`."""
        return super().stream(input, _unlimited(config), **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """See LangGraph's `astream`."""
        return super().astream(input, _unlimited(config), **kwargs)


def _unlimited(config: RunnableConfig | None) -> RunnableConfig:
    return {**(config or {}), "recursion_limit": 10**6}


class RSDGraph(StateGraph[RSDState, None, RSDInput, RSDOutput]):
    """The uncompiled RSD graph: a `StateGraph` that compiles to a `CompiledRSDGraph`."""

    def __init__(self, drafter: Drafter, hedge: Hedge) -> None:
        super().__init__(RSDState, input_schema=RSDInput, output_schema=RSDOutput)
        self._drafter = drafter
        self._hedge = hedge

    def abandon(self, seed: int | None) -> None:
        """Cancel what was started early for the run of this seed.

        Call it if you drop a run between two nodes, as the chat model does: nobody else would
        notice. *seed* is the one in its state.
        """
        self._drafter.discard(seed)
        self._hedge.discard(seed)

    def compile(self, *args: Any, **kwargs: Any) -> CompiledRSDGraph:
        """See LangGraph's `StateGraph.compile`."""
        compiled = super().compile(*args, **kwargs)
        # LangGraph names the class it compiles to; ours adds methods and no fields.
        compiled.__class__ = CompiledRSDGraph
        return cast("CompiledRSDGraph", compiled)
