"""How PRMs that judge one step at a time judge a run of them."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import TypeVar

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import Usage, add_usage, timed
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import Prefix, RewardModel, Scores, check_scores

T = TypeVar("T")

JudgeStep = Callable[[list[str]], Awaitable[tuple[float, Usage]]]
"""(all steps up to the judged one) -> its reward, and what that cost."""


async def score_each(prefix: Prefix, candidates: Sequence[Candidate], judge: JudgeStep) -> Scores:
    """Judge every candidate after all before it, the whole run at once."""
    started = time.perf_counter()
    steps = [step["text"] for step in (*prefix.steps, *candidates)]
    settled = len(prefix.steps)

    async def verdict(number: int) -> tuple[float, Usage]:
        return await judge(steps[: settled + number])

    verdicts = await all_with_costs(verdict(number) for number in range(1, len(candidates) + 1))
    spent = add_usage(*(cost for _, cost in verdicts))
    return Scores([reward for reward, _ in verdicts], timed(spent, started))


async def all_with_costs(
    coroutines: Iterable[Coroutine[object, object, tuple[T, Usage]]],
) -> list[tuple[T, Usage]]:
    """`all_or_none` of calls that cost something: an error holds what the others had cost by then.

    Raises:
        RSDError: The first; `spent` on it is what all of them had cost.
    """
    costs, calls = list[Usage](), list(coroutines)

    async def booked(call: Coroutine[object, object, tuple[T, Usage]]) -> tuple[T, Usage]:
        found, cost = await call
        costs.append(cost)
        return found, cost

    try:
        with kept_on_error(costs):
            return await all_or_none(map(booked, calls))
    finally:
        for call in calls:
            if inspect.getcoroutinestate(call) == inspect.CORO_CREATED:  # cancelled before it began
                call.close()


async def all_or_none(coroutines: Iterable[Coroutine[object, object, T]]) -> list[T]:
    """The results of all, run together; the first error, or a cancellation, ends the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def opinion(
    prm: RewardModel, prefix: Prefix, candidates: Sequence[Candidate]
) -> tuple[Scores, Usage]:
    """The checked scores of one PRM among several, and what they cost.

    Raises:
        RewardError: Its rewards cannot be trusted; they are paid for all the same.
        ProviderError: Its endpoint failed.
    """
    scores = await prm.score(prefix, candidates)
    with kept_on_error([scores.usage]):
        check_scores(scores, candidates, prm)
    return scores, scores.usage
