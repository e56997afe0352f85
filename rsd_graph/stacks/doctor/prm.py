"""Checks of a reward model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable

from rsd_graph.answer.ledger import Usage
from rsd_graph.providers.base import RewardModel
from rsd_graph.providers.scripted import candidate
from rsd_graph.stacks.doctor.contact import contact
from rsd_graph.stacks.doctor.finding import Check, Finding, Seat, judged
from rsd_graph.stacks.doctor.speed import throughput

_SAME = 0.05
"""Servers that batch compute a little differently each time."""


async def examine_prm(seat: Seat, prm: RewardModel) -> AsyncIterator[Check]:
    """Every finding about *prm*."""

    async def first() -> Usage:
        return (await prm.score(seat.prefix(), [candidate(seat.example.good)])).usage

    met = await contact(seat, prm, first)
    for check in met.checks:
        yield check
    if not met.answered:
        return
    low, high = prm.reward_range
    rewards = asyncio.create_task(_rewards(seat, prm))
    yield await seat.check("tells right from wrong", _separates(rewards))
    yield await seat.check(f"rewards in [{low:g}, {high:g}]", _in_range(rewards, low, high))
    yield await seat.check("scores a run of steps", _scores_runs(seat, prm))
    yield await seat.check("throughput", _throughput(seat, prm))


async def _rewards(seat: Seat, prm: RewardModel) -> tuple[float, float]:
    """Of the right step and of the wrong one, each as the first of an answer."""
    texts = (seat.example.good, seat.example.bad)
    good, bad = [(await prm.score(seat.prefix(), [candidate(text)])).rewards[0] for text in texts]
    return good, bad


async def _separates(rewards: Awaitable[tuple[float, float]]) -> Finding:
    good, bad = await rewards
    fix = "Is this the right PRM family? Label order and activation decide the sign."
    return judged(good > bad, f"right step {good:.3f}, wrong step {bad:.3f}", fix)


async def _in_range(rewards: Awaitable[tuple[float, float]], low: float, high: float) -> Finding:
    found = await rewards
    seen = f"{min(found):.3f} to {max(found):.3f}"
    fix = "Declare this PRM's own range, and choose delta inside it."
    return judged(low <= min(found) and max(found) <= high, seen, fix)


async def _scores_runs(seat: Seat, prm: RewardModel) -> Finding:
    """Two steps scored together must be scored as they are one by one (look-ahead relies on it)."""
    good, bad = candidate(seat.example.good), candidate(seat.example.bad)
    together = (await prm.score(seat.prefix(), [good, bad])).rewards
    alone = (await prm.score(seat.prefix(good), [bad])).rewards[0]
    same = len(together) == 2 and abs(together[1] - alone) < _SAME
    seen = f"second step {together[-1]:.3f} in a run, {alone:.3f} alone"
    return judged(same, seen, "Use lookahead=0 here.")


async def _throughput(seat: Seat, prm: RewardModel) -> Finding:
    async def ask() -> int:
        spent = (await prm.score(seat.prefix(), [candidate(seat.example.good)])).usage
        return spent["prompt_tokens"] + spent["completion_tokens"]

    return await throughput(ask)
