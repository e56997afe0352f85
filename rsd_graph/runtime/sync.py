"""Async code for sync callers, even inside a running event loop: one background loop, lazily."""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class _LoopThread(threading.Thread):
    """A daemon thread that runs an event loop.

    A sync call made *on* a background loop (a reward function that asks another chat model, say)
    blocks it, so what it waits for runs on a further one: *depth* counts them.
    """

    def __init__(self, depth: int) -> None:
        super().__init__(name="rsd-graph", daemon=True)
        self.depth = depth
        self.loop = asyncio.new_event_loop()

    def run(self) -> None:
        self.loop.run_forever()


@functools.cache
def _background(depth: int) -> _LoopThread:
    """Started at the first sync call of the process that needs it."""
    thread = _LoopThread(depth)
    thread.start()
    atexit.register(_end, thread)
    return thread


if hasattr(os, "register_at_fork"):  # not on Windows
    # Threads do not survive a fork: a worker process gets background loops of its own.
    os.register_at_fork(after_in_child=_background.cache_clear)


def _free_loop() -> asyncio.AbstractEventLoop:
    """A background loop other than the one that waits for this call, if one does."""
    caller = threading.current_thread()
    return _background(caller.depth + 1 if isinstance(caller, _LoopThread) else 0).loop


def _end(thread: _LoopThread) -> None:
    """As the process ends: cancel what still runs and close what is open, as `asyncio.run` does."""
    loop = thread.loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(timeout=1)
    if not loop.is_running():
        loop.run_until_complete(_close(asyncio.all_tasks(loop)))
        loop.close()


async def _close(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run *coroutine* to its end from sync code, in the caller's context.

    An interrupt of the caller (Ctrl-C) cancels the coroutine, and with it the remote work.
    """
    result: Future[T] = Future()
    context = contextvars.copy_context()
    _free_loop().call_soon_threadsafe(_start, coroutine, result, context)
    try:
        return result.result()
    except BaseException:
        result.cancel()
        raise


def _start(
    coroutine: Coroutine[Any, Any, T], result: Future[T], context: contextvars.Context
) -> None:
    """On the background loop: run the coroutine as a task tied to *result* both ways."""
    task = asyncio.get_running_loop().create_task(coroutine, context=context)
    result.add_done_callback(
        lambda done: task.get_loop().call_soon_threadsafe(task.cancel) if done.cancelled() else None
    )
    task.add_done_callback(functools.partial(_copy_outcome, result))


def _copy_outcome(result: Future[T], task: asyncio.Task[T]) -> None:
    if result.cancelled():
        return
    if task.cancelled():
        result.cancel()
    elif (error := task.exception()) is not None:
        result.set_exception(error)
    else:
        result.set_result(task.result())


def iterate_sync(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Iterate *items* from sync code; leaving the loop early closes them."""
    try:
        while True:
            try:
                yield run_sync(_next(items))
            except StopAsyncIteration:
                return
    finally:
        run_sync(items.aclose())


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await anext(items)
