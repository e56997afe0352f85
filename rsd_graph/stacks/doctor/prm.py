"""Checks of a reward model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from rsd_graph.answer.ledger import Usage
from rsd_graph.providers.base import Prefix, RewardModel, StepModel, StepRequest
from rsd_graph.providers.prm.pooling import TAG, PoolingPRM
from rsd_graph.providers.scripted import candidate
from rsd_graph.stacks.doctor.cache import examine_cache
from rsd_graph.stacks.doctor.contact import contact
from rsd_graph.stacks.doctor.finding import Check, Finding, Seat, judged
from rsd_graph.stacks.doctor.replicas import replicas_agree
from rsd_graph.stacks.doctor.speed import throughput
from rsd_graph.stacks.prm_head import served_as

_SAME = 0.05
"""Servers that batch compute a little differently each time."""

_LAST_TOKEN: Mapping[str, str] = MappingProxyType(
    {
        "qwen-prm": "what rsd-graph split-prm makes of it, named qwen-prm-split+vllm+...; or with "
        f"the plug-in rsd-vllm-prm and {served_as('Qwen2LastStepReward')}",
        "pure": f"with {served_as('Qwen2ForSequenceClassification')}",
        "skywork": f"with the plug-in rsd-vllm-prm and {served_as('Qwen2LastStepValue')}",
    }
)
"""Family -> how to serve it so that it judges the last token (docs/scorers.md)."""


async def examine_prm(seat: Seat, prm: RewardModel) -> AsyncIterator[Check]:
    """Every finding about *prm*."""

    async def ask(prefix: Prefix) -> Usage:
        return (await prm.score(prefix, [candidate(seat.example.good)])).usage

    async def first() -> Usage:
        return await ask(seat.prefix())

    met = await contact(seat, prm, first)
    for check in met.checks:
        yield check
    if not met.answered:
        return
    seat = replace(seat, facts=met.facts)
    low, high = prm.reward_range
    endpoint = getattr(prm, "endpoint", None)
    if endpoint is not None and len(endpoint.replicas) > 1:
        agree = replicas_agree(endpoint, partial(_rewards, seat, prm), _alike)
        yield await seat.check("replicas agree", agree)
    rewards = asyncio.create_task(_rewards(seat, prm))
    if isinstance(prm, PoolingPRM):
        yield await seat.check("judged at the tag", _judged_at_the_tag(seat, prm))
    yield await seat.check("tells right from wrong", _separates(rewards))
    yield await seat.check(f"rewards in [{low:g}, {high:g}]", _in_range(rewards, low, high))
    yield await seat.check("scores a run of steps", _scores_runs(seat, prm))
    if endpoint is not None:
        async for check in examine_cache(seat, endpoint, ask, _mend(prm)):
            yield check
    yield await seat.check("throughput", _throughput(seat, prm))


async def reads_words(seat: Seat, draft: StepModel) -> Finding:
    """Whether the draft reports what a verdict on its own words reads."""
    step = await draft.write_step(StepRequest(seat.prefix(), max_tokens=16))
    if certainty := step.get("certainty"):
        return "pass", f"the draft's least likely token of {certainty['tokens']}", ""
    fix = "Add logprobs=on to the draft's endpoint string, before the #."
    return "fail", "the draft reports none", fix


async def _judged_at_the_tag(seat: Seat, prm: PoolingPRM) -> Finding:
    """Whether the last token the server reads is the tag, where the verdict stands."""
    step = candidate(seat.example.good)
    (prompt,) = prm.prompts(seat.prefix(), [step])
    sent, tag = await prm.prompt_ids(prompt), await prm.prompt_ids(TAG)
    read = (await prm.score(seat.prefix(), [step])).usage["prompt_tokens"]
    if list(sent[-1:]) != list(tag):
        seen = f"its tokenizer makes {len(tag)} tokens of {TAG}"
        return "fail", seen, "Serve the PRM with its own tokenizer: the tag is one of its tokens."
    seen = f"{read} tokens read, {len(sent)} sent"
    fix = "The server adds tokens of its own; if they follow the tag, it judges them instead."
    return judged(read == len(sent), seen, fix)


def _mend(prm: RewardModel) -> str:
    """What to do about a PRM that reads nothing from its cache."""
    family = getattr(prm, "family", "")
    if getattr(prm, "pooling", None) == "rows" and family in _LAST_TOKEN:
        return f"Every score re-reads the whole answer. Serve it so instead: {_LAST_TOKEN[family]}."
    return (
        "Every score re-reads the whole answer. On vLLM: is its pooling LAST, and prefix caching "
        "on (--enable-prefix-caching)? Behind a router: does it route by X-Session-ID?"
    )


async def _rewards(seat: Seat, prm: RewardModel) -> tuple[float, float]:
    """Of the right step and of the wrong one, each as the first of an answer."""
    texts = (seat.example.good, seat.example.bad)
    good, bad = [(await prm.score(seat.prefix(), [candidate(text)])).rewards[0] for text in texts]
    return good, bad


def _alike(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) < _SAME for a, b in zip(one, other, strict=True))


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
