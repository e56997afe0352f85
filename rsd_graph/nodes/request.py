"""How a state becomes a request for its next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import settled_tokens
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import Candidate, RSDState
from rsd_graph.errors import Role
from rsd_graph.providers.base import Prefix, Sampling, StepRequest


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What every step of one graph has in common."""

    sampling: Sampling
    limits: Limits
    separator: str

    def prefix(self, state: RSDState, ahead: Sequence[Candidate] = ()) -> Prefix:
        """What has been said, plus candidates that are accepted but not settled yet."""
        return Prefix(state["conversation"], [*state["steps"], *ahead], self.separator)

    def request(
        self, state: RSDState, *, role: Role, ahead: Sequence[Candidate] = ()
    ) -> StepRequest:
        """The request for the step after *ahead*; its seed is its own (run, role, index)."""
        budget = self.limits.step_budget(_spent(state, ahead))
        index = len(state["steps"]) + len(ahead)
        return StepRequest(
            prefix=self.prefix(state, ahead),
            max_tokens=max(1, budget),
            sampling=self.sampling,
            seed=derive_seed(state["seed"], role, index),
        )

    def draft_request(self, state: RSDState, ahead: Sequence[Candidate]) -> StepRequest | None:
        """The request for the draft after *ahead*, or `None` if *ahead* would end the answer."""
        if ahead and not is_judgeable(ahead[-1]):
            return None
        if ahead and self.limits.finish_reason([*state["steps"], *ahead], _spent(state, ahead)):
            return None
        return self.request(state, role="draft", ahead=ahead)


def is_judgeable(candidate: Candidate) -> bool:
    """Whether a candidate is a whole step: a blank or cut-off one is none and is never scored.

    Nor is an action that cannot be carried out.
    """
    is_whole = candidate["ended"] in ("separator", "eos")
    return is_whole and bool(candidate["text"].strip() or candidate.get("tool_calls"))


def tokens_of(candidates: Sequence[Candidate]) -> int:
    """Tokens generated for these candidates."""
    return sum(candidate["usage"]["completion_tokens"] for candidate in candidates)


def _spent(state: RSDState, ahead: Sequence[Candidate]) -> int:
    """Tokens of the answer once *ahead* is part of it."""
    return settled_tokens(state["ledger"]) + tokens_of(ahead)
