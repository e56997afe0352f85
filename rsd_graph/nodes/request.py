"""How a state becomes a request for its next step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import settled_tokens
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import FOLLOWED, Candidate, RSDState, Source, Step
from rsd_graph.answer.thinking import Phases, shown_to_prm
from rsd_graph.errors import Role
from rsd_graph.providers.base import Prefix, Sampling, StepRequest


@dataclass(frozen=True, slots=True)
class StepOptions:
    """What every step of one graph has in common."""

    sampling: Sampling
    limits: Limits
    separator: str
    phases: Phases = field(default_factory=Phases)

    def __post_init__(self) -> None:
        """Refuse budgets of thinking where nobody is to think."""
        said = (self.limits.max_thinking_tokens, self.limits.max_thinking_steps)
        self.phases.check_used("max_thinking_tokens or max_thinking_steps", said != (None, None))

    def prefix(self, state: RSDState, ahead: Sequence[Candidate] = ()) -> Prefix:
        """What has been said, plus candidates that are accepted but not settled yet."""
        steps: list[Step | Candidate] = [*state["steps"], *ahead]
        phase = self.limits.phase_after(steps) if self.phases.are_told_apart else None
        return Prefix(state["conversation"], steps, self.separator, phase)

    def prefix_shown(self, state: RSDState, ahead: Sequence[Candidate] = ()) -> Prefix:
        """The same as the PRM is shown it."""
        prefix = self.prefix(state, ahead)
        return replace(prefix, steps=shown_to_prm(prefix.steps, self.phases.prm_window))

    def writes_alone(self, role: Source, state: RSDState) -> bool:
        """Whether the model of this *role* writes the next step without the others."""
        if self.phases.answer_by != role:
            return False
        return self.phases.writes_alone(role, self.prefix(state).phase)

    def judges(self, candidate: Candidate) -> bool:
        """Whether a candidate is a whole step that the PRM may accept: see `is_judgeable`.

        One with which the draft went beyond its phase is not.
        """
        beyond = self.phases.writes_alone("target", candidate.get("phase"))
        return is_judgeable(candidate) and not beyond

    def request(
        self, state: RSDState, *, role: Role, ahead: Sequence[Candidate] = ()
    ) -> StepRequest:
        """The request for the step after *ahead*; its seed is its own (run, role, index)."""
        budget = self.limits.step_budget(_spent(state, ahead))
        index = len(state["steps"]) + len(ahead)
        prefix, least = self.prefix(state, ahead), 1
        if prefix.phase == "thinking":
            budget = min(budget, self.limits.thinking_budget(prefix.steps))
            least = self.limits.min_step_tokens
        return StepRequest(
            prefix=prefix,
            max_tokens=max(1, budget),
            sampling=self.sampling,
            seed=derive_seed(state["seed"], role, index),
            min_tokens=least,
        )

    def draft_request(self, state: RSDState, ahead: Sequence[Candidate]) -> StepRequest | None:
        """The request for the draft after *ahead*, or `None` if *ahead* would end the answer."""
        if ahead and not self.judges(ahead[-1]):
            return None
        if ahead and self.limits.finish_reason([*state["steps"], *ahead], _spent(state, ahead)):
            return None
        request = self.request(state, role="draft", ahead=ahead)
        if self.phases.answer_by != "rsd" and request.prefix.phase != self.prefix(state).phase:
            return None  # one model writes alone beyond the border: the run ends there
        return request


def is_judgeable(candidate: Candidate) -> bool:
    """Whether a candidate is a whole step: a blank or cut-off one is none and is never scored.

    Nor is an action that cannot be carried out.
    """
    is_whole = candidate["ended"] == "eos" or candidate["ended"] in FOLLOWED
    return is_whole and bool(candidate["text"].strip() or candidate.get("tool_calls"))


def tokens_of(candidates: Sequence[Candidate]) -> int:
    """Tokens generated for these candidates."""
    return sum(candidate["usage"]["completion_tokens"] for candidate in candidates)


def _spent(state: RSDState, ahead: Sequence[Candidate]) -> int:
    """Tokens of the answer once *ahead* is part of it."""
    return settled_tokens(state["ledger"]) + tokens_of(ahead)
