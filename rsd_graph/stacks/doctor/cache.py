"""Does a server read its prefix cache? One prompt twice, and what the server counted.

RSD asks for every step with the whole answer before it: without the cache, each step costs what the
answer costs.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Message, new_run
from rsd_graph.errors import RewardError
from rsd_graph.providers.base import Prefix
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.metrics import CacheCounters, cache_counters
from rsd_graph.providers.http.session import session
from rsd_graph.providers.scripted import candidate
from rsd_graph.stacks.doctor.finding import Check, Finding, Seat, fine

Ask = Callable[[Prefix], Awaitable[Usage]]
"""Let the model read a prefix, and tell what that cost."""

_COARSE = 32
"""Tokens in a block, above which a short step often fills none."""
_ENOUGH_TOKENS = 300
"""A prompt in which any server would find something, where its block is not known."""
_MOST_SLOTS = 64
"""More answers than this are not written to see what becomes of one."""


@dataclass(frozen=True, slots=True)
class _Read:
    """How much of *prompt* tokens came from the cache; `None` where nobody tells."""

    prompt: int
    cached: int | None


async def examine_cache(seat: Seat, endpoint: Endpoint, ask: Ask, fix: str) -> AsyncIterator[Check]:
    """Whether the cache is read, and whether it outlives its slots where there are slots.

    Args:
        seat: What is asked; its facts tell context and slots.
        endpoint: The server.
        ask: One request.
        fix: What to do if the cache is not read.
    """
    is_read = _if_judged(_is_read(seat, endpoint, ask, fix))
    yield await seat.check("reads its prefix cache", is_read)
    if seat.facts.slots is not None:
        outlives = _if_judged(_outlives(seat, ask, seat.facts.slots))
        yield await seat.check("cache outlives its slots", outlives)


async def _if_judged(finding: Awaitable[Finding]) -> Finding:
    """The finding, unless a PRM has nothing to say of an answer made up to be long."""
    try:
        return await finding
    except RewardError as error:
        return fine(f"cannot tell: it does not judge a long answer ({error.message})")


async def _is_read(seat: Seat, endpoint: Endpoint, ask: Ask, fix: str) -> Finding:
    counters, short = await cache_counters(endpoint), await ask(_repeated(seat, 1))
    if counters is None and short["cache_unreported_calls"]:
        return fine("cannot tell: it reports no cached tokens, and shows no counters at /metrics")
    block = counters.block_size if counters else None
    tokens = 2 * block + 1 if block else _ENOUGH_TOKENS
    found = await _asked_twice(await _longer(seat, ask, short, tokens), endpoint, ask)
    if found.cached is None:
        return fine("cannot tell: the counters at /metrics are those of another server")
    seen = f"{found.cached} of {found.prompt} prompt tokens came from it"
    if block and block > _COARSE:
        coarse = "Only whole blocks are found: serve with --block-size 16 (32 on a CPU)."
        return (
            "warn",
            f"{seen}, in blocks of {block}",
            coarse if found.cached else f"{fix} {coarse}",
        )
    return fine(seen) if found.cached else ("warn", seen, fix)


async def _longer(seat: Seat, ask: Ask, short: Usage, tokens: int) -> Prefix:
    """A prefix of at least *tokens* tokens, or as many as the context holds."""
    one, two = short["prompt_tokens"], (await ask(_repeated(seat, 2)))["prompt_tokens"]
    step = max(1, two - one)
    room = (seat.facts.context_length or math.inf) - 2 * step
    return _repeated(seat, 1 + max(0, math.ceil((min(tokens, room) - one) / step)))


def _repeated(seat: Seat, count: int) -> Prefix:
    return seat.prefix(*[candidate(seat.example.good)] * count)


async def _asked_twice(prefix: Prefix, endpoint: Endpoint, ask: Ask) -> _Read:
    """What the second answer reports; else what the server's counters say of both."""
    before = await cache_counters(endpoint)
    with session(new_run()):  # as one answer's: a router may keep them together by it
        first, second = await ask(prefix), await ask(prefix)
    if not second["cache_unreported_calls"]:
        return _Read(second["prompt_tokens"], second["cached_tokens"])
    after = await cache_counters(endpoint)
    prompts = first["prompt_tokens"] + second["prompt_tokens"]
    return _Read(prompts, _hits(before, after))


def _hits(before: CacheCounters | None, after: CacheCounters | None) -> int | None:
    """Cached tokens by the counters; `None` if they are of another process than answered us."""
    if before is None or after is None or (after - before).requests < 2:
        return None
    return (after - before).hits


async def _outlives(seat: Seat, ask: Ask, slots: int) -> Finding:
    """Whether a prompt is still known after more others than there are slots."""
    if slots > _MOST_SLOTS:
        return fine(f"not tried: {slots} slots")
    first, *others = [_numbered(seat, number) for number in range(slots + 2)]
    for prefix in (first, *others):
        await ask(prefix)
    found = await ask(first)
    cached, prompt = found["cached_tokens"], found["prompt_tokens"]
    seen = f"{cached} of {prompt} tokens known after {slots + 1} other answers, with {slots} slots"
    if 2 * cached >= prompt:
        return fine(seen)
    fix = (
        "Start llama-server with --cache-ram 8192, or keep answers in flight at or below its "
        "slots (--parallel)."
    )
    return "warn", seen, fix


def _numbered(seat: Seat, number: int) -> Prefix:
    """The question after a number, half answered: prompts that have little in common."""
    turns = [Message(role="user", content=f"{number}. {seat.example.question}")]
    return Prefix(turns, _repeated(seat, 2).steps, seat.separator)
