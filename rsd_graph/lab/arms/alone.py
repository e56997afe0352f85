"""One model alone: the whole answer in one request, as you would ask it without RSD.

Asking step by step instead would make the model read its own words again at every step, and
flatter RSD in the full accounting.
"""

from __future__ import annotations

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.answer.state import Candidate, Ended, Source, Step
from rsd_graph.early.spans import write_step, writing_span
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix, StepRequest

_NEVER = "\ue000"
"""A separator no model writes (a private-use character), so that no step ends before the answer."""


def alone(setup: Setup, role: Source) -> Arm:
    """One model writes everything."""
    model = setup.models.draft if role == "draft" else setup.models.target

    async def solve(question: str, seed: int) -> Outcome:
        request = StepRequest(
            prefix=Prefix(setup.conversation(question), (), _NEVER),
            max_tokens=setup.limits.max_tokens,
            sampling=setup.sampling,
            seed=derive_seed(seed, role, 0),
        )
        answer = await write_step(model, request)
        reason = reason_to_finish(answer["ended"])
        return Outcome(answer["text"], [settled(answer, role)], _ledger(answer, role), reason)

    return Arm(f"{role} only", solve)


def settled(candidate: Candidate, role: Source) -> Step:
    """A candidate as a settled step nobody scored."""
    step = Step(
        text=candidate["text"],
        source=role,
        reward=None,
        accepted=role == "draft",
        ended=candidate["ended"],
        tokens=candidate["usage"]["completion_tokens"],
        ms=candidate["usage"]["ms"],
        rejected_text=None,
    )
    spans = writing_span(role, candidate, "kept")
    return {**step, "spans": spans} if spans else step


def reason_to_finish(ended: Ended) -> str:
    """Why an answer ended whose last step ended so."""
    return "stop" if ended == "eos" else ended


def _ledger(answer: Candidate, role: Source) -> Ledger:
    spent = answer["usage"]
    if role == "target":
        return add(empty_ledger(), {"target": spent, "target_steps": 1})
    return add(
        empty_ledger(),
        {
            "draft": spent,
            "drafted_steps": 1,
            "accepted_steps": 1,
            "kept_draft_tokens": spent["completion_tokens"],
        },
    )
