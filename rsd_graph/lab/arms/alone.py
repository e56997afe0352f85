"""One model alone: the whole answer in one request, as you would ask it without RSD.

Asking step by step instead would make the model read its own words again at every step, and
flatter RSD in the full accounting.
"""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.answer.options import picked
from rsd_graph.answer.state import Candidate, Ended, Source, Step
from rsd_graph.answer.steps import phase_of
from rsd_graph.answer.thinking import Phases, in_phase
from rsd_graph.early.spans import write_step, writing_span
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix, StepRequest

NEVER = "\ue000"
"""A separator no model writes (a private-use character), so that no step ends before the answer."""


def alone(setup: Setup, role: Source) -> Arm:
    """One model writes everything."""
    model = setup.models.draft if role == "draft" else setup.models.target

    async def solve(question: str, seed: int) -> Outcome:
        steps: list[Step] = []
        ledger = empty_ledger()
        while not steps or phase_of(steps[-1]) == "thinking":
            request = _request(setup, question, steps, derive_seed(seed, role, len(steps)))
            written = in_phase(await write_step(model, request), request.prefix.phase)
            steps.append(settled(written, role))
            ledger = add(ledger, _ledger(written, role))
        answer = steps[-1]
        return Outcome(answer["text"], steps, ledger, reason_to_finish(answer["ended"]))

    return Arm(f"{role} only", solve)


def _request(setup: Setup, question: str, steps: Sequence[Step], seed: int) -> StepRequest:
    """For the whole answer or, of a model that thinks, for all its thinking and then the answer."""
    limits, phase = setup.limits, None
    budget = limits.max_tokens - sum(step["tokens"] for step in steps)
    if picked(Phases, setup.options).are_told_apart:
        phase = "answer" if steps else limits.phase_after(steps)
        budget = min(budget, limits.thinking_budget(())) if phase == "thinking" else budget
    prefix = Prefix(setup.conversation(question), steps, NEVER, phase)
    return StepRequest(prefix, max(1, budget), setup.sampling, seed)


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
    if spans := writing_span(role, candidate, "kept"):
        step = {**step, "spans": spans}
    return {**step, "phase": candidate["phase"]} if "phase" in candidate else step


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
