"""How the algorithm meets LangGraph: nodes and routers that serve sync and async callers alike,
and a graph whose length only its own limits decide.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar, cast

from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.graph import Graph
from langgraph.config import get_stream_writer
from langgraph.graph import StateGraph
from langgraph.graph.state import CompiledStateGraph

from rsd_graph.answer.books import Books
from rsd_graph.answer.events import events_after
from rsd_graph.answer.ledger import Entry, Ledger
from rsd_graph.answer.state import RSDInput, RSDOutput, RSDState, Update, stored_state
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.errors import RSDError
from rsd_graph.nodes.settle import accepted_steps
from rsd_graph.providers.http.session import session
from rsd_graph.runtime.schema import StoredState
from rsd_graph.runtime.spans import AnswerSpans
from rsd_graph.runtime.sync import run_sync
from rsd_graph.runtime.tracing import Spent, added
from rsd_graph.runtime.unheard import unheard

S = TypeVar("S")
T = TypeVar("T")

NodeFunction = Callable[[RSDState, Books], Awaitable[Update]]
"""(state of one answer, its books) -> the update of the state; the ledger is the books'."""

ledger_listener: ContextVar[Callable[[str, Ledger], None] | None] = ContextVar(
    "rsd_ledger_listener", default=None
)
"""Called with the run and its ledger after every node, failed and cancelled ones included, so that
the costs of a node are known even where its update is never made or never read."""


class Node(Runnable[RSDState, Update]):
    """An async node that sync graphs can run too.

    Its events go to whoever streams custom events. If it fails or is cancelled, the run is ended,
    and an `RSDError` takes along everything the run has spent and the steps that stand: settled, or
    accepted in the same lap before the one that failed.
    """

    def __init__(
        self,
        name: str,
        function: NodeFunction,
        graph: RSDGraph,
        accepted: Callable[[RSDState], int],
    ) -> None:
        self.name = name
        self._function = function
        self._graph = graph
        self._accepted = accepted

    def invoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: object
    ) -> Update:
        """Run the node from sync code."""
        return run_sync(self.ainvoke(input, config))

    async def ainvoke(
        self, input: RSDState, config: RunnableConfig | None = None, **kwargs: object
    ) -> Update:
        """Run the node."""
        state = stored_state(input)
        run, books = state["run"], Books(state["ledger"])
        try:
            with session(run), self._graph.spans.node(self.get_name(), state):
                update = await unheard(config, partial(self._function, state, books))
            write = get_stream_writer()
            for event in events_after(state, update, self._accepted):
                write(event)
            self._graph.spans.settled(state, update, books.ledger)
            if update.get("finish_reason"):
                books.enter(self._graph.end(run))
            new = Update() if "run" in input else Update(run=run)
            spent = added(books.ledger, state["ledger"])
            return Spent({**update, **new, "ledger": books.ledger, "spent": spent})
        except BaseException as error:
            books.enter(self._graph.end(run, error))
            if isinstance(error, RSDError):
                good = accepted_steps(state, self._accepted(state))
                error.steps, error.ledger = [*state["steps"], *good], books.ledger
            raise
        finally:
            if listener := ledger_listener.get():
                listener(run, books.ledger)


class Pure(Runnable[S, T]):
    """A pure function of the state, named after what it does or the question it answers."""

    def __init__(self, name: str, function: Callable[[S], T]) -> None:
        self.name = name
        self._function = function

    def invoke(self, input: S, config: RunnableConfig | None = None, **kwargs: object) -> T:
        """Call it."""
        return self._function(input)

    async def ainvoke(self, input: S, config: RunnableConfig | None = None, **kwargs: object) -> T:
        """Call it."""
        return self._function(input)


class CompiledRSDGraph(CompiledStateGraph[RSDState, None, RSDInput, RSDOutput]):
    """A compiled RSD graph, which LangGraph's recursion limit never cuts short.

    That limit guards against endless loops by counting supersteps, three per RSD step, and an
    enclosing chain or graph passes its own down (25 in LangChain: eight steps). `Limits` is what
    ends an RSD run, so the limit is lifted, wherever the graph is embedded.
    """

    def end(self, run: str) -> Entry:
        """See `RSDGraph.end`."""
        return cast("RSDGraph", self.builder).end(run)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """See LangGraph's `stream`."""
        return super().stream(input, _unlimited(config), **kwargs)

    def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """See LangGraph's `astream`."""
        return super().astream(input, _unlimited(config), **kwargs)

    def get_graph(self, config: RunnableConfig | None = None, *, xray: int | bool = False) -> Graph:
        """See LangGraph's `get_graph`; what nodes tell tracers of their models is not drawn."""
        graph = super().get_graph(config, xray=xray)
        graph.nodes = {name: node._replace(metadata=None) for name, node in graph.nodes.items()}
        return graph


def _unlimited(config: RunnableConfig | None) -> RunnableConfig:
    return {**(config or {}), "recursion_limit": 10**6}


class RSDGraph(StateGraph[RSDState, None, RSDInput, RSDOutput]):
    """The uncompiled RSD graph: a `StateGraph` that compiles to a `CompiledRSDGraph`."""

    def __init__(self, early: EarlyRequests) -> None:
        super().__init__(StoredState, input_schema=RSDInput, output_schema=RSDOutput)
        self.spans = AnswerSpans()
        self._early = early

    def route(self, node: str, decide: Callable[[RSDState], str], ends: list[str]) -> None:
        """After *node* go where *decide*, a pure function, says: to one of *ends*."""
        self.add_conditional_edges(node, Pure(decide.__name__, decide), ends)

    def end(self, run: str, error: BaseException | None = None) -> Entry:
        """End a run, and its spans; the entry of what it had under way in vain.

        The graph does this for every run that finishes, fails or is cancelled. Whoever stops one
        between two nodes and does not resume it calls this with the `run` of its state, from any
        thread. A second call finds nothing left.
        """
        self.spans.end(run, error)
        return self._early.end(run)

    def compile(self, *args: Any, **kwargs: Any) -> CompiledRSDGraph:
        """See LangGraph's `StateGraph.compile`; without a *name* its runs are called "rsd"."""
        compiled = super().compile(*args, **{"name": "rsd", **kwargs})
        # LangGraph names the class it compiles to; ours adds methods and no fields.
        compiled.__class__ = CompiledRSDGraph
        return cast("CompiledRSDGraph", compiled)
