"""One model alone: the whole answer in one request, as you would ask it without RSD.

Asking step by step instead would make the model read its own words again at every step, and
flatter RSD in the full accounting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Entry, Ledger, add, empty_ledger
from rsd_graph.answer.state import Candidate, Message, Step
from rsd_graph.providers.base import Prefix, Sampling, StepModel, StepRequest

_NEVER = "\ue000"
"""A separator no model writes (a private-use character), so that no step ends before the answer."""


async def solve_alone(
    model: StepModel,
    conversation: Sequence[Message],
    *,
    role: Literal["draft", "target"] = "target",
    sampling: Sampling = Sampling(),  # noqa: B008 (a frozen value)
    max_tokens: int = 4096,
    seed: int = 0,
) -> tuple[Candidate, Ledger]:
    """Let one model write the whole answer; the answer, and what it cost.

    Raises:
        ProviderError: The endpoint failed.
    """
    request = StepRequest(
        prefix=Prefix(conversation, (), _NEVER),
        max_tokens=max_tokens,
        sampling=sampling,
        seed=derive_seed(seed, role, 0),
    )
    answer = await model.write_step(request)
    return answer, add(empty_ledger(), _entry(answer, role))


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


def _entry(answer: Candidate, role: Literal["draft", "target"]) -> Entry:
    if role == "target":
        return {"target": answer["usage"], "target_steps": 1}
    return {
        "draft": answer["usage"],
        "drafted_steps": 1,
        "accepted_steps": 1,
        "kept_draft_tokens": answer["usage"]["completion_tokens"],
    }
