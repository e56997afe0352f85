"""Where the tokens went: pure sums over what the servers reported.

Two accountings, always both (paper section 4.1 and its omissions):

* *decode-only*, comparable with the paper: 2N FLOPs per generated token, one token per PRM read-out
  (more if the PRM really generates more);
* *full*: 2N FLOPs for every token a model processed, prompt included, less what its server says
  came from the prefix cache.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

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
    accepted_steps: int
    target_steps: int
    kept_draft_tokens: int
    """Draft tokens that are in the answer."""
    discarded_draft_tokens: int
    """Draft tokens that were rejected."""
    wasted_draft_tokens: int
    """Draft tokens of finished look-ahead that nobody could use."""
    wasted_target_tokens: int
    """Target tokens of finished hedges whose draft was accepted."""
    cancelled_calls: int
    """Look-ahead requests and hedges cancelled before they finished."""
    cancelled_draft_tokens: int
    """Upper bound of the tokens that cancelled look-ahead generated."""
    cancelled_target_tokens: int
    """Upper bound of the tokens that cancelled hedges generated."""
    cancelled_target_prompt_tokens: int
    """Estimate of the prompt tokens they made the target read that it had not in its cache."""
    prm_failures: int
    """Scorings that failed and went to the target instead (`on_prm_error="target"`)."""
    invalid_actions: int
    """Drafted actions that could not be carried out and were rejected unscored."""


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


def add_usage(*usages: Usage) -> Usage:
    """The sum of several usages."""
    total: dict[str, Any] = dict(usage(calls=0))
    for item in usages:
        total = _add(total, item)
    return cast("Usage", total)


def add(ledger: Ledger, entry: Mapping[str, Any]) -> Ledger:
    """A new ledger with *entry* (any of its keys, `Usage` values included) added.

    What a ledger stored by an older version does not count yet starts at zero.
    """
    return cast("Ledger", _add(ledger, entry))


def _add(total: Mapping[str, Any], entry: Mapping[str, Any]) -> dict[str, Any]:
    """Add numbers key by key, one level of nesting deep."""
    result = dict(total)
    for key, value in entry.items():
        if isinstance(value, Mapping):
            result[key] = _add(result[key], value)
        else:
            result[key] = result.get(key, 0) + value
    return result


def settled_tokens(ledger: Ledger) -> int:
    """Tokens of the answer itself, whoever wrote them: what `max_tokens` limits."""
    rewritten = ledger["target"]["completion_tokens"] - ledger.get("wasted_target_tokens", 0)
    return ledger["kept_draft_tokens"] + rewritten


def acceptance_rate(ledger: Ledger) -> float | None:
    """Accepted steps per decided draft step; `None` before the first decision."""
    decided = ledger["accepted_steps"] + ledger["target_steps"]
    return ledger["accepted_steps"] / decided if decided else None


@dataclass(frozen=True, slots=True)
class PerRole:
    """One number for each role: tokens, or parameters of the models."""

    draft: float
    target: float
    prm: float


def decoded_tokens(ledger: Ledger) -> PerRole:
    """Tokens the decode-only accounting books: the PRM's at least one per scored step."""
    prm = max(ledger["prm"]["completion_tokens"], ledger["scored_steps"])
    return PerRole(
        draft=ledger["draft"]["completion_tokens"] + ledger["cancelled_draft_tokens"],
        target=ledger["target"]["completion_tokens"] + ledger.get("cancelled_target_tokens", 0),
        prm=prm,
    )


def processed_tokens(ledger: Ledger) -> PerRole:
    """Tokens the full accounting books: everything read or written and not served from cache."""
    return PerRole(
        draft=_processed(ledger["draft"]) + ledger["cancelled_draft_tokens"],
        target=_processed(ledger["target"])
        + ledger.get("cancelled_target_tokens", 0)
        + ledger.get("cancelled_target_prompt_tokens", 0),
        prm=_processed(ledger["prm"]),
    )


def _processed(role: Usage) -> int:
    return role["prompt_tokens"] - role["cached_tokens"] + role["completion_tokens"]


def cached_perfectly(ledger: Ledger) -> Ledger:
    """*ledger* as it would be if servers silent about their cache had cached all they could.

    The other end of the range that such servers leave open; *ledger* itself, which counts nothing
    as cached that was not reported, is the one end. A PRM computes the drafted steps it judges in
    any case. What the servers did report stays.
    """
    judged = ledger["kept_draft_tokens"] + ledger["discarded_draft_tokens"]
    return {
        **ledger,
        "draft": _cached_but_for(0, ledger["draft"]),
        "target": _cached_but_for(0, ledger["target"]),
        "prm": _cached_but_for(judged, ledger["prm"]),
    }


def _cached_but_for(computed: int, role: Usage) -> Usage:
    if not role["cache_unreported_calls"]:
        return role
    cached = max(role["cached_tokens"], role["prompt_tokens"] - computed)
    return {**role, "cached_tokens": cached, "cache_unreported_calls": 0}


def flops(ledger: Ledger, parameters: PerRole) -> dict[str, float]:
    """FLOPs of one answer in both accountings: 2N per token (paper section 4.1).

    Args:
        ledger: What was spent.
        parameters: Parameter count N of each model.

    Returns:
        `{"decode_only": ..., "full": ...}` in FLOPs. Where a server does not say what it cached,
        `full` is too high if it cached at all: then `full_if_cached`, by `cached_perfectly`, is the
        other end of the range.
    """
    full = 2 * _dot(processed_tokens(ledger), parameters)
    least = 2 * _dot(processed_tokens(cached_perfectly(ledger)), parameters)
    spent = {"decode_only": 2 * _dot(decoded_tokens(ledger), parameters), "full": full}
    return spent if least == full else {**spent, "full_if_cached": least}


def _dot(tokens: PerRole, weights: PerRole) -> float:
    return tokens.draft * weights.draft + tokens.target * weights.target + tokens.prm * weights.prm
