"""Which early request serves the one that is asked for, and from where it can be reached."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest

from rsd_graph import Prefix, Sampling, StepRequest, candidate
from rsd_graph.early.matching import cancel, content, failed, is_reachable

REQUEST = StepRequest(Prefix([{"role": "user", "content": "q"}]), max_tokens=8)


@pytest.mark.parametrize(
    "changes",
    [
        {"prefix": Prefix([{"role": "user", "content": "p"}])},
        {"prefix": replace(REQUEST.prefix, steps=[candidate("a")])},
        {"prefix": replace(REQUEST.prefix, phase="thinking")},
        {"max_tokens": 9},
        {"sampling": Sampling(temperature=1.0)},
        {"seed": 1},
    ],
    ids=["conversation", "steps", "phase", "budget", "sampling", "seed"],
)
def test_a_request_that_differs_is_another(changes: dict[str, Any]) -> None:
    """One that is equal in all of these is the same."""
    assert content(replace(REQUEST, **changes)) != content(REQUEST)
    assert content(replace(REQUEST)) == content(REQUEST)


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_only_a_task_of_this_event_loop_that_was_not_cancelled_is_reachable() -> None:
    """Its result, or its error, can be had."""
    cut, left = (asyncio.create_task(hanging()) for _ in range(2))
    cut.cancel()
    await asyncio.sleep(0)

    elsewhere = await asyncio.to_thread(asyncio.run, reachable_in_another_loop(left))

    assert [is_reachable(cut), is_reachable(left), elsewhere] == [False, True, False]
    left.cancel()


async def reachable_in_another_loop(task: asyncio.Task[None]) -> bool:
    return is_reachable(task)


async def test_a_task_has_failed_if_it_has_no_result() -> None:
    """Cancelled or with an error, which nobody else is told of."""

    async def ends(error: Exception | None) -> None:
        if error:
            raise error

    good, bad, cut = map(asyncio.create_task, (ends(None), ends(ValueError("no")), hanging()))
    await asyncio.sleep(0)
    cut.cancel()
    await asyncio.sleep(0)

    assert [failed(good), failed(bad), failed(cut)] == [False, True, True]


@pytest.mark.parametrize("where", ["here", "a thread without a loop", "another loop"])
async def test_a_task_is_cancelled_from_wherever_that_is_asked(where: str) -> None:
    """Through its own event loop, which alone may touch it."""
    task = asyncio.create_task(hanging())
    await asyncio.sleep(0)

    async def elsewhere() -> None:
        cancel(task)

    if where == "here":
        cancel(task)
        assert task.cancelling() == 1
    elif where == "another loop":
        await asyncio.to_thread(asyncio.run, elsewhere())
    else:
        thread = threading.Thread(target=cancel, args=[task])
        thread.start()
        thread.join()
        assert task.cancelling() == 0

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)


def test_the_tasks_of_a_closed_loop_have_ended_with_it() -> None:
    """There is nothing to cancel, and no error."""

    async def left() -> asyncio.Task[None]:
        return asyncio.create_task(hanging())

    task = asyncio.run(left())

    cancel(task)

    assert task.cancelled()
