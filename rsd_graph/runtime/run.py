"""Running the compiled graph from inside somebody else's program without touching it.

An RSD graph invoked inside a chain, an agent or a host graph would inherit that host's run:
write into its checkpoints, leak its updates into the host's streams and stop at its recursion
limit. `settled_steps` runs it in a context of its own instead, as a child of the given callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context

from rsd_graph.answer.events import Event
from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.answer.state import FinishReason, RSDInput, Step, Update
from rsd_graph.errors import RSDError
from rsd_graph.providers.logs import get_logger
from rsd_graph.runtime.listener import AnswerListener
from rsd_graph.runtime.node import CompiledRSDGraph, ledger_listener


@dataclass(frozen=True, slots=True)
class Settled:
    """Steps settled by one lap, and where the answer stands after it.

    Attributes:
        steps: The new steps; settled steps are never taken back.
        ledger: Everything spent so far.
        finish_reason: Set on the last lap.
    """

    steps: list[Step]
    ledger: Ledger
    finish_reason: FinishReason | None


async def settled_steps(
    graph: CompiledRSDGraph,
    state: RSDInput,
    callbacks: BaseCallbackManager | None = None,
    listening: Sequence[AnswerListener] = (),
) -> AsyncGenerator[Settled]:
    """Run *graph* and yield each lap the moment it is settled.

    Closing the iteration early cancels the run, and with it the requests in flight.

    Args:
        graph: What to run.
        state: The conversation and seed.
        callbacks: The run is traced as their child.
        listening: Who hears of its events, and of all it has spent once it ends: finished, failed,
            closed or cancelled. Requests cancelled in flight are in that as an upper bound.

    Raises:
        RSDError: Whatever stopped the run; `steps` and `ledger` on it hold what was settled and
            spent.
    """
    run = _Run(graph, [each.on_event for each in listening if each.on_event])
    laps = run.laps(state, callbacks)
    start = asyncio.get_running_loop().create_task
    # Every part of the run is done in a context that has never seen the host's config.
    with set_config_context({}) as context:
        context.run(ledger_listener.set, run.listen)
        try:
            while (lap := await start(_next(laps), context=context)) is not None:
                yield lap
        finally:
            try:
                await start(laps.aclose(), context=context)
            finally:
                for each in listening:
                    if each.on_end:
                        each.on_end(run.ledger)


async def _next(laps: AsyncGenerator[Settled]) -> Settled | None:
    return await anext(laps, None)


class _Run:
    """One run of a graph, and what it has spent so far."""

    def __init__(self, graph: CompiledRSDGraph, tell: Sequence[Callable[[Event], object]]) -> None:
        self._graph = graph
        self._tell = tell
        self._name = ""
        self.ledger = empty_ledger()

    def listen(self, run: str, ledger: Ledger) -> None:
        """See `ledger_listener`; a graph that is run inside this one's models is not this run."""
        if run == self._name:
            self.ledger = ledger

    async def laps(
        self, state: RSDInput, callbacks: BaseCallbackManager | None
    ) -> AsyncGenerator[Settled]:
        """The run itself."""
        config = RunnableConfig(run_name="rsd", callbacks=callbacks)
        modes = ["updates", "custom"] if self._tell else ["updates"]
        stream = self._graph.astream(state, config, stream_mode=modes)
        settled = 0
        try:
            async for mode, told in stream:
                if mode == "custom":
                    for tell in self._tell:
                        tell(told)
                    continue
                for update in told.values():
                    self._name = update.get("run", self._name)
                    if update.get("steps"):
                        lap = _lap(update)
                        settled += len(lap.steps)
                        yield lap
        except RSDError as error:
            if good := error.steps[settled:]:  # accepted in the lap that failed
                yield Settled(good, self.ledger, None)
            raise
        finally:
            try:
                await stream.aclose()
            finally:
                self.ledger = add(self.ledger, self._graph.end(self._name))


def _lap(update: Update) -> Settled:
    lap = Settled(update["steps"] or [], update["ledger"], update["finish_reason"])
    if lap.finish_reason:
        _log_answer(lap)
    return lap


def _log_answer(lap: Settled) -> None:
    """The canonical line of one answer: numbers only, never text."""
    ledger = lap.ledger
    get_logger(__name__).info(
        "rsd.answer_finished",
        finish_reason=lap.finish_reason,
        accepted_steps=ledger["accepted_steps"],
        target_steps=ledger["target_steps"],
        draft_tokens=ledger["draft"]["completion_tokens"],
        target_tokens=ledger["target"]["completion_tokens"],
        prm_calls=ledger["prm"]["calls"],
    )


def child_callbacks(
    run_manager: AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None,
) -> BaseCallbackManager | None:
    """Callbacks that make the graph's trace a child of a chat model's run.

    LangChain gives language-model runs no `get_child`, so the manager is put together by hand.
    """
    if run_manager is None:
        return None
    manager = AsyncCallbackManager(handlers=[], parent_run_id=run_manager.run_id)
    manager.set_handlers(run_manager.inheritable_handlers)
    manager.add_tags(run_manager.inheritable_tags)
    told = run_manager.inheritable_metadata.items()
    # What says which model this is, is about the chat model as a whole.
    manager.add_metadata({name: fact for name, fact in told if not name.startswith("ls_")})
    return manager
