"""Running the compiled graph from inside somebody else's program without touching it.

An RSD graph invoked inside a chain, an agent or a host graph would inherit that host's run:
write into its checkpoints, leak its updates into the host's streams and stop at its recursion
limit. `settled_steps` runs it in a context of its own instead, as a child of the given callbacks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context

from rsd_graph._logging import get_logger
from rsd_graph._runnable import CompiledRSDGraph
from rsd_graph.ledger import Ledger
from rsd_graph.state import FinishReason, RSDInput, Step


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
) -> AsyncIterator[Settled]:
    """Run *graph* and yield each lap the moment it is settled.

    Leaving the iteration early cancels the run, and with it the requests in flight.

    Raises:
        RSDError: Whatever stopped the run; `steps` and `ledger` on it hold what was settled.
    """
    queue: asyncio.Queue[Settled | None] = asyncio.Queue(maxsize=1)
    with set_config_context({"callbacks": callbacks} if callbacks else {}) as context:
        work = _produce(graph, state, callbacks, queue)
        task = asyncio.get_running_loop().create_task(work, context=context)
    try:
        while (lap := await queue.get()) is not None:
            yield lap
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _produce(
    graph: CompiledRSDGraph,
    state: RSDInput,
    callbacks: BaseCallbackManager | None,
    queue: asyncio.Queue[Settled | None],
) -> None:
    """Feed the laps of one run into the queue, then `None`, even if the run fails."""
    config = RunnableConfig(
        run_name="rsd", callbacks=callbacks, configurable={"thread_id": uuid4().hex}
    )
    seed = None
    try:
        async for event in graph.astream(state, config, stream_mode="updates"):
            for update in event.values():
                seed = update.get("seed", seed)
                if update.get("steps"):
                    await queue.put(_lap(update))
    finally:
        graph.drafter.discard(seed)
        await queue.put(None)


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
