"""How PRMs that judge one step at a time judge a run of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import TypeVar

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import Usage, add_usage, timed
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import Prefix, Scores

T = TypeVar("T")

JudgeStep = Callable[[list[str]], Awaitable[tuple[float, Usage]]]
"""(all steps up to the judged one) -> its reward, and what that cost."""


async def score_each(prefix: Prefix, candidates: Sequence[Candidate], judge: JudgeStep) -> Scores:
    """Judge every candidate after all before it, the whole run at once."""
    started = time.perf_counter()
    steps = [step["text"] for step in (*prefix.steps, *candidates)]
    settled = len(prefix.steps)
    costs: list[Usage] = []

    async def reward(number: int) -> float:
        found, cost = await judge(steps[: settled + number])
        costs.append(cost)
        return found

    with kept_on_error(costs):
        rewards = await all_or_none(reward(number) for number in range(1, len(candidates) + 1))
    return Scores(rewards, timed(add_usage(*costs), started))


async def all_or_none(coroutines: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """The results of all, run together; the first error, or a cancellation, ends the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
