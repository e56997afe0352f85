"""Async code for sync callers, even inside a running event loop: one background loop, lazily."""

from __future__ import annotations

import asyncio
import atexit
import functools
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from rsd_graph.errors import ConfigurationError

T = TypeVar("T")

_Outcome = tuple[T, None] | tuple[None, Exception]


class _LoopThread(threading.Thread):
    """A daemon thread that runs an event loop.

    A sync call made *on* a background loop (a reward function that asks another chat model, say)
    blocks it, so what it waits for runs on a further one: *depth* counts them.
    """

    def __init__(self, depth: int) -> None:
        super().__init__(name="rsd-graph", daemon=True)
        self.depth = depth
        self.loop = asyncio.new_event_loop()
        self.streams: set[AsyncGenerator[Any, None]] = set()

    def run(self) -> None:
        self.loop.run_forever()

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Future[_Outcome[T]]:
        """Start *coroutine* here, in the caller's context; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(_outcome(coroutine), self.loop)

    def result_of(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine* here to its end. An interrupt of the caller (Ctrl-C) cancels it."""
        if not self.can_be_awaited():
            coroutine.close()
            raise ConfigurationError(
                "this thread cannot wait for the loop on which the work was begun.",
                hint="A stream cannot be read on in a forked process, or as the process ends.",
            )
        future = self.begin(coroutine)
        try:
            result, error = future.result()
        except BaseException:
            future.cancel()
            raise
        if error is not None:
            raise error
        return result  # type: ignore[return-value]  # there is one if there is no error

    def can_be_awaited(self) -> bool:
        """Whether the current thread may wait: not if it runs this loop, or one this may wait for.

        After a fork, and as the process ends, there is nothing to wait for.
        """
        caller = threading.current_thread()
        return self.is_alive() and not (
            isinstance(caller, _LoopThread) and caller.depth >= self.depth
        )


async def _outcome(coroutine: Coroutine[Any, Any, T]) -> _Outcome[T]:
    """Its result, or its error as a value: after an interrupt nobody is left to be told of one."""
    try:
        return await coroutine, None
    except Exception as error:
        return None, error


_starting = threading.RLock()


@functools.cache
def _background(depth: int) -> _LoopThread:
    """Started at the first sync call of the process that needs it; call it with the lock."""
    thread = _LoopThread(depth)
    thread.start()
    atexit.register(_end, thread)
    return thread


def _free_thread() -> _LoopThread:
    """A background loop other than the one that waits for this call, if one does."""
    caller = threading.current_thread()
    with _starting:  # the cache alone would let callers that come together start one each
        return _background(caller.depth + 1 if isinstance(caller, _LoopThread) else 0)


def _begin_anew() -> None:
    """In a forked process: threads do not survive a fork, so it gets loops of its own."""
    _background.cache_clear()
    _starting.release()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_starting.acquire,
        after_in_parent=_starting.release,
        after_in_child=_begin_anew,
    )


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
    return _free_thread().result_of(coroutine)


def iterate_sync(items: AsyncGenerator[T, None]) -> Iterator[T]:
    """Iterate *items* from sync code, all on one loop; leaving early closes them.

    An iterator that nobody holds any more is closed wherever the garbage collector finds it: on a
    background loop too, which cannot wait for it. The collector must not find *items* with it, and
    the generators inside, or the event loop would close each of them at once.
    """
    thread = _free_thread()
    thread.streams.add(items)
    try:
        while True:
            try:
                yield thread.result_of(_next(items))
            except StopAsyncIteration:
                return
    finally:
        closing = _closed(items, thread.streams)
        if thread.can_be_awaited():
            thread.result_of(closing)
        elif thread.is_alive():
            thread.begin(closing)
        else:
            closing.close()


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await anext(items)


async def _closed(items: AsyncGenerator[T, None], streams: set[AsyncGenerator[Any, None]]) -> None:
    try:
        await items.aclose()
    finally:
        streams.discard(items)
