"""What an answer cost in FLOPs, in two accountings, always both (paper section 4.1, its omissions).

* *decode-only*, comparable with the paper: 2N FLOPs per generated token, one token per PRM read-out
  (more if the PRM really generates more);
* *full*: 2N FLOPs for every token a model processed, prompt included, less what its server says
  came from the prefix cache.
"""

from __future__ import annotations

from dataclasses import dataclass

from rsd_graph.answer.ledger import Ledger, Usage


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
        target=ledger["target"]["completion_tokens"] + ledger["cancelled_target_tokens"],
        prm=prm,
    )


def processed_tokens(ledger: Ledger) -> PerRole:
    """Tokens the full accounting books: everything read or written and not served from cache."""
    return PerRole(
        draft=_processed(ledger["draft"]) + ledger["cancelled_draft_tokens"],
        target=_processed(ledger["target"])
        + ledger["cancelled_target_tokens"]
        + ledger["cancelled_target_prompt_tokens"],
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
