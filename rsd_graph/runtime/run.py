"""Running the compiled graph from inside somebody else's program without touching it.

An RSD graph invoked inside a chain, an agent or a host graph would inherit that host's run:
write into its checkpoints, leak its updates into the host's streams and stop at its recursion
limit. `settled_steps` runs it in a context of its own instead, as a child of the given callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context

from rsd_graph._logging import get_logger
from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.state import FinishReason, RSDInput, Step
from rsd_graph.runtime.node import CompiledRSDGraph


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
    graph: CompiledRSDGraph, state: RSDInput, callbacks: BaseCallbackManager | None = None
) -> AsyncGenerator[Settled]:
    """Run *graph* and yield each lap the moment it is settled.

    Closing the iteration early cancels the run, and with it the requests in flight.

    Raises:
        RSDError: Whatever stopped the run; `steps` and `ledger` on it hold what was settled.
    """
    laps = _laps(graph, state, callbacks)
    start = asyncio.get_running_loop().create_task
    # Every turn of the run is taken in a context that has never seen the host's config.
    with set_config_context({}) as context:
        try:
            while (lap := await start(_next(laps), context=context)) is not None:
                yield lap
        finally:
            await start(laps.aclose(), context=context)


async def _next(laps: AsyncGenerator[Settled]) -> Settled | None:
    return await anext(laps, None)


async def _laps(
    graph: CompiledRSDGraph, state: RSDInput, callbacks: BaseCallbackManager | None
) -> AsyncGenerator[Settled]:
    """The run itself."""
    config = RunnableConfig(run_name="rsd", callbacks=callbacks)
    seed = None
    events = graph.astream(state, config, stream_mode="updates")
    try:
        async for event in events:
            for update in event.values():
                seed = update.get("seed", seed)
                if update.get("steps"):
                    yield _lap(update)
    finally:
        await events.aclose()
        graph.abandon(seed)


def _lap(update: dict[str, Any]) -> Settled:
    lap = Settled(update["steps"], update["ledger"], update["finish_reason"])
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


def child_callbacks(run_manager: Any) -> BaseCallbackManager | None:
    """Callbacks that make the graph's trace a child of a chat model's run.

    LangChain gives language-model runs no `get_child`, so the manager is put together by hand.
    """
    if run_manager is None:
        return None
    manager = AsyncCallbackManager(handlers=[], parent_run_id=run_manager.run_id)
    manager.set_handlers(run_manager.inheritable_handlers)
    manager.add_tags(run_manager.inheritable_tags)
    manager.add_metadata(run_manager.inheritable_metadata)
    return manager
