"""What an answer says about itself: LangChain's usage, and our trace, ledger and FLOPs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from rsd_graph.ledger import Ledger, PerRole, acceptance_rate, flops
from rsd_graph.state import Step


def usage_metadata(ledger: Ledger) -> UsageMetadata:
    """All tokens of all three models, as their servers counted them: what is billed.

    `output_token_details` splits the output: draft tokens kept and discarded (wasted look-ahead
    included), target and PRM tokens.
    """
    roles = [ledger["draft"], ledger["target"], ledger["prm"]]
    read = sum(role["prompt_tokens"] for role in roles)
    written = sum(role["completion_tokens"] for role in roles)
    details: dict[str, int] = {
        "draft": ledger["kept_draft_tokens"],
        "draft_discarded": ledger["draft"]["completion_tokens"] - ledger["kept_draft_tokens"],
        "target": ledger["target"]["completion_tokens"],
        "prm": ledger["prm"]["completion_tokens"],
    }
    return UsageMetadata(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_token_details=InputTokenDetails(cache_read=sum(r["cached_tokens"] for r in roles)),
        output_token_details=OutputTokenDetails(**details),  # type: ignore[typeddict-item]
    )


def rsd_metadata(
    steps: Sequence[Step], ledger: Ledger, finish_reason: str | None, parameters: PerRole | None
) -> dict[str, Any]:
    """The content of `response_metadata["rsd"]`.

    Args:
        steps: The settled steps; the trace.
        ledger: What was spent.
        finish_reason: Why the answer ended.
        parameters: Parameter counts, if known; without them `flops` is `None`.
    """
    return {
        "steps": [dict(step) for step in steps],
        "ledger": dict(ledger),
        "acceptance_rate": acceptance_rate(ledger),
        "finish_reason": finish_reason,
        "flops": flops(ledger, parameters) if parameters else None,
    }
