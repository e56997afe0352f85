"""What look-ahead and hedge share: requests sent before it is known whether they are needed."""

from __future__ import annotations

import asyncio
from typing import Any

from rsd_graph.providers.base import StepRequest


def content(request: StepRequest) -> tuple[object, ...]:
    """What decides a request's answer: an early answer serves a request that is equal in this."""
    prefix = request.prefix
    return (prefix.conversation, prefix.text, request.max_tokens, request.sampling, request.seed)


def failed(task: asyncio.Task[Any]) -> bool:
    """Whether a finished task has no result; asking also marks its error as heard of."""
    return task.cancelled() or task.exception() is not None


def is_reachable(task: asyncio.Task[Any]) -> bool:
    """Whether its result can be had here: a task ends with its event loop, a run may not."""
    return task.get_loop() is asyncio.get_running_loop() and not task.cancelled()
