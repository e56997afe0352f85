"""Where the tokens went: pure sums over what the servers reported."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import cast

from typing_extensions import TypedDict


class Usage(TypedDict):
    """What one role consumed, summed over calls, from the server's own counts."""

    calls: int
    prompt_tokens: int
    """All prompt tokens, cached ones included."""
    cached_tokens: int
    """Prompt tokens the server says it did not compute again."""
    cache_unreported_calls: int
    """Calls whose server said nothing about its cache: for these, cached is unknown, not zero."""
    completion_tokens: int
    ms: float
    """Milliseconds of waiting for this role."""


class Ledger(TypedDict):
    """Everything one answer spent. Every number only ever grows."""

    draft: Usage
    target: Usage
    prm: Usage
    drafted_steps: int
    scored_steps: int
    """Verdicts that a model gave; a free one, of the draft's own log-probabilities, is none."""
    accepted_steps: int
    target_steps: int
    kept_draft_tokens: int
    """Draft tokens that are in the answer."""
    discarded_draft_tokens: int
    """Draft tokens that were rejected."""
    wasted_draft_tokens: int
    """Draft tokens that nobody could use: of look-ahead, or of a run that ended early."""
    wasted_target_tokens: int
    """Target tokens that nobody could use: of hedges, or of a run that ended early."""
    cancelled_calls: int
    """Requests cancelled before they finished: look-ahead, hedges, and whatever was in flight
    when the run itself was cancelled."""
    cancelled_draft_tokens: int
    """Upper bound of the tokens that cancelled requests made the draft generate."""
    cancelled_target_tokens: int
    """Upper bound of the tokens that cancelled requests made the target generate."""
    cancelled_target_prompt_tokens: int
    """Estimate of the prompt tokens that cancelled hedges made the target read and that were not
    in its cache."""
    prm_failures: int
    """Steps whose scoring failed and that went to the target (`on_prm_error="target"`)."""
    invalid_actions: int
    """Drafted actions that could not be carried out and were rejected unscored."""


class Entry(TypedDict, total=False):
    """What is added to a ledger: any of its counters, with the same names and meanings."""

    draft: Usage
    target: Usage
    prm: Usage
    drafted_steps: int
    scored_steps: int
    accepted_steps: int
    target_steps: int
    kept_draft_tokens: int
    discarded_draft_tokens: int
    wasted_draft_tokens: int
    wasted_target_tokens: int
    cancelled_calls: int
    cancelled_draft_tokens: int
    cancelled_target_tokens: int
    cancelled_target_prompt_tokens: int
    prm_failures: int
    invalid_actions: int


def usage(
    *,
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    cached_tokens: int | None = None,
    calls: int = 1,
    ms: float = 0.0,
) -> Usage:
    """The usage of one call; `cached_tokens=None` means the server did not say."""
    return Usage(
        calls=calls,
        prompt_tokens=prompt_tokens,
        cached_tokens=cached_tokens or 0,
        cache_unreported_calls=calls if cached_tokens is None else 0,
        completion_tokens=completion_tokens,
        ms=ms,
    )


def timed(spent: Usage, started: float) -> Usage:
    """*spent*, having taken the milliseconds since *started* (of `time.perf_counter`)."""
    return {**spent, "ms": (time.perf_counter() - started) * 1000}


def empty_ledger() -> Ledger:
    """A ledger in which nothing has happened yet."""
    nothing = usage(calls=0)
    return Ledger(
        draft=nothing,
        target=nothing,
        prm=nothing,
        drafted_steps=0,
        scored_steps=0,
        accepted_steps=0,
        target_steps=0,
        kept_draft_tokens=0,
        discarded_draft_tokens=0,
        wasted_draft_tokens=0,
        wasted_target_tokens=0,
        cancelled_calls=0,
        cancelled_draft_tokens=0,
        cancelled_target_tokens=0,
        cancelled_target_prompt_tokens=0,
        prm_failures=0,
        invalid_actions=0,
    )


def stored_ledger(stored: Mapping[str, object]) -> Ledger:
    """A ledger read from a checkpoint or journal; what an older version did not count is zero."""
    return cast("Ledger", {**empty_ledger(), **stored})


def add_usage(*usages: Usage) -> Usage:
    """The sum of several usages."""
    return Usage(
        calls=sum(item["calls"] for item in usages),
        prompt_tokens=sum(item["prompt_tokens"] for item in usages),
        cached_tokens=sum(item["cached_tokens"] for item in usages),
        cache_unreported_calls=sum(item["cache_unreported_calls"] for item in usages),
        completion_tokens=sum(item["completion_tokens"] for item in usages),
        ms=sum((item["ms"] for item in usages), 0.0),
    )


def add(ledger: Ledger, *entries: Entry | Ledger) -> Ledger:
    """A new ledger with *entries*, or other ledgers, added."""
    total: dict[str, object] = {**ledger}
    for entry in entries:
        for key, value in entry.items():
            total[key] = _plus(total[key], value)
    return cast("Ledger", total)


def joined(*entries: Entry) -> Entry:
    """One entry that says what several say."""
    total = add(empty_ledger(), *entries)
    named = {key for entry in entries for key in entry}
    return cast("Entry", {key: value for key, value in total.items() if key in named})


def _plus(total: object, part: object) -> object:
    """Two counters, or two usages, together."""
    if isinstance(total, int) and isinstance(part, int):
        return total + part
    return add_usage(cast("Usage", total), cast("Usage", part))


def settled_tokens(ledger: Ledger) -> int:
    """Tokens of the answer itself, whoever wrote them: what `max_tokens` limits."""
    rewritten = ledger["target"]["completion_tokens"] - ledger["wasted_target_tokens"]
    return ledger["kept_draft_tokens"] + rewritten


def acceptance_rate(ledger: Ledger) -> float | None:
    """Accepted steps per decided draft step; `None` before the first decision."""
    decided = ledger["accepted_steps"] + ledger["target_steps"]
    return ledger["accepted_steps"] / decided if decided else None
