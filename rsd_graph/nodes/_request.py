"""How a state becomes a request for its next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.acceptance import derive_seed
from rsd_graph.errors import Role
from rsd_graph.limits import Limits
from rsd_graph.providers.base import Prefix, Sampling, StepRequest
from rsd_graph.state import Candidate, RSDState


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
        index = len(state["steps"]) + len(ahead)
        spent = sum(candidate["usage"]["completion_tokens"] for candidate in ahead)
        return StepRequest(
            prefix=self.prefix(state, ahead),
            max_tokens=max(1, self.limits.step_budget(state["ledger"], spent)),
            sampling=self.sampling,
            seed=derive_seed(state["seed"], role, index),
        )
