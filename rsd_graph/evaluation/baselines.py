"""One model alone, under the same limits, budgets and accounting as in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rsd_graph.acceptance import derive_seed
from rsd_graph.ledger import Ledger, add, empty_ledger, settled_tokens
from rsd_graph.limits import Limits
from rsd_graph.providers.base import Prefix, Sampling, StepModel, StepRequest
from rsd_graph.state import Candidate, FinishReason, Message, Step


async def solve_alone(
    model: StepModel,
    conversation: Sequence[Message],
    *,
    role: Literal["draft", "target"] = "target",
    sampling: Sampling = Sampling(),  # noqa: B008 (a frozen value)
    limits: Limits = Limits(),  # noqa: B008
    separator: str = "\n\n",
    seed: int = 0,
) -> tuple[list[Step], Ledger, FinishReason]:
    """Let one model write the whole answer, step by step as it does in its seat of the graph.

    Each step is a request of its own, so that prefix caches serve it as they serve RSD.

    Returns:
        The steps, what they cost, and why the answer ended.
    """
    steps: list[Step] = []
    ledger, reason = empty_ledger(), None
    while reason is None:
        request = StepRequest(
            prefix=Prefix(conversation, steps, separator),
            max_tokens=limits.step_budget(settled_tokens(ledger)),
            sampling=sampling,
            seed=derive_seed(seed, role, len(steps)),
        )
        candidate = await model.write_step(request)
        steps.append(settled(candidate, role))
        ledger = add(ledger, _entry(candidate, role))
        reason = limits.finish_reason(steps, settled_tokens(ledger))
    return steps, ledger, reason


def settled(candidate: Candidate, role: Literal["draft", "target"]) -> Step:
    """A candidate as a settled step nobody scored."""
    return Step(
        text=candidate["text"],
        source=role,
        reward=None,
        accepted=role == "draft",
        ended=candidate["ended"],
        tokens=candidate["usage"]["completion_tokens"],
        ms=candidate["usage"]["ms"],
        rejected_text=None,
    )


def _entry(candidate: Candidate, role: Literal["draft", "target"]) -> dict[str, object]:
    tokens = candidate["usage"]["completion_tokens"]
    if role == "target":
        return {"target": candidate["usage"], "target_steps": 1}
    return {
        "draft": candidate["usage"],
        "drafted_steps": 1,
        "accepted_steps": 1,
        "kept_draft_tokens": tokens,
    }
