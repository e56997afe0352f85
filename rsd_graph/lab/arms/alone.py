"""One model alone: the whole answer in one request, as you would ask it without RSD.

Asking step by step instead would make the model read its own words again at every step, and
flatter RSD in the full accounting.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import add, empty_ledger
from rsd_graph.answer.state import Candidate, Ended, Message, Step
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix, Sampling, StepModel, StepRequest

Writer = Literal["draft", "target"]

_NEVER = "\ue000"
"""A separator no model writes (a private-use character), so that no step ends before the answer."""


def alone(setup: Setup, role: Writer) -> Arm:
    """One model writes everything."""

    async def solve(question: str, seed: int) -> Outcome:
        return await answer_alone(setup, role, question, seed)

    return Arm(f"{role} only", solve)


async def answer_alone(setup: Setup, role: Writer, question: str, seed: int) -> Outcome:
    """One answer of one model.

    Raises:
        ProviderError: The endpoint failed.
    """
    return await solve_alone(
        setup.models.draft if role == "draft" else setup.models.target,
        setup.conversation(question),
        role=role,
        sampling=setup.sampling,
        max_tokens=setup.limits.max_tokens,
        seed=seed,
    )


async def solve_alone(
    model: StepModel,
    conversation: Sequence[Message],
    *,
    role: Writer = "target",
    sampling: Sampling = Sampling(),  # noqa: B008 (a frozen value)
    max_tokens: int = 4096,
    seed: int = 0,
) -> Outcome:
    """Let one model write the whole answer.

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
    ledger = add(empty_ledger(), _entry(answer, role))
    reason = reason_to_finish(answer["ended"])
    return Outcome(answer["text"], [settled(answer, role)], ledger, reason)


def settled(candidate: Candidate, role: Writer) -> Step:
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


def reason_to_finish(ended: Ended) -> str:
    """Why an answer ended whose last step ended so."""
    return "stop" if ended == "eos" else ended


def _entry(answer: Candidate, role: Writer) -> dict[str, object]:
    if role == "target":
        return {"target": answer["usage"], "target_steps": 1}
    return {
        "draft": answer["usage"],
        "drafted_steps": 1,
        "accepted_steps": 1,
        "kept_draft_tokens": answer["usage"]["completion_tokens"],
    }
