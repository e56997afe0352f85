"""Does an early request serve the one that is asked for, and can its task be reached from here?"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from rsd_graph.providers.base import StepRequest


def content(request: StepRequest) -> tuple[object, ...]:
    """What decides a request's answer: an early answer serves a request that is equal in this."""
    prefix = request.prefix
    said = prefix.conversation, prefix.text, prefix.phase
    return (*said, request.max_tokens, request.sampling, request.seed)


def failed(task: asyncio.Task[object]) -> bool:
    """Whether a finished task has no result; asking also keeps asyncio from reporting its error."""
    return task.cancelled() or task.exception() is not None


def is_reachable(task: asyncio.Task[object]) -> bool:
    """Whether its result can be had here: a task ends with its event loop, a run may not."""
    return task.get_loop() is asyncio.get_running_loop() and not task.cancelled()


def cancel(task: asyncio.Task[object]) -> None:
    """Cancel *task* from any thread: a task may be touched only by that of its event loop."""
    loop = task.get_loop()
    if loop is _running_loop():
        task.cancel()
        return
    with suppress(RuntimeError):  # that loop is closed, and its tasks ended with it
        loop.call_soon_threadsafe(task.cancel)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
