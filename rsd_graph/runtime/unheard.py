"""What a model does inside a step is heard by nobody outside: the step is told, and its cost.

A model may be a LangChain model, or a reward function may ask one. The callbacks of whoever runs
the graph would stream its rejected words and count its tokens a second time, and a tracer that
finds itself by a context variable would start a trace of its own for each call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeVar

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, BaseCallbackManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import set_config_context

T = TypeVar("T")


async def unheard(config: RunnableConfig | None, work: Callable[[], Awaitable[T]]) -> T:
    """The result of *work*, done where LangChain's callbacks and tracers do not hear it.

    All else in the context stays: a model may ask a human by LangGraph's `interrupt`, and finds
    there whatever the caller keeps in context variables of its own.
    """
    start = asyncio.get_running_loop().create_task
    with set_config_context({**(config or {}), "callbacks": _nobody(config)}) as context:
        context.run(_stop_listening, context)
        return await start(_untraced(work), context=context)


def _nobody(config: RunnableConfig | None) -> AsyncCallbackManager:
    """No handlers. A tracer that adds itself to every manager finds the place of its runs here."""
    here = (config or {}).get("callbacks")
    parent = here.parent_run_id if isinstance(here, BaseCallbackManager) else None
    return AsyncCallbackManager(handlers=[], parent_run_id=parent)


def _stop_listening(context: Context) -> None:
    """Clear, in this context, the handlers that LangChain finds by a context variable."""
    for variable, value in context.items():
        if isinstance(value, BaseCallbackHandler):
            variable.set(None)


async def _untraced(work: Callable[[], Awaitable[T]]) -> T:
    """Without LangSmith, which is found by variables of the environment, too."""
    from langsmith import tracing_context  # slow to load, and LangChain has done so by now

    with tracing_context(enabled=False, parent=False):
        return await work()
