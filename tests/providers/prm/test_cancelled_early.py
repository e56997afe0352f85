"""A run of verdicts that is cancelled before the first of them was asked for."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import suppress

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.providers.prm.each import all_with_costs


async def test_what_had_not_begun_is_closed() -> None:
    """Else Python warns of each that it was never awaited."""

    async def call() -> tuple[float, Usage]:
        return 1.0, usage()

    calls = [call(), call()]
    asking = asyncio.create_task(all_with_costs(calls))
    await asyncio.sleep(0)  # the calls are about to begin
    asking.cancel()
    with suppress(asyncio.CancelledError):
        await asking

    assert [inspect.getcoroutinestate(each) for each in calls] == [inspect.CORO_CLOSED] * 2
