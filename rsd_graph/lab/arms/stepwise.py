"""Answers made step by step by a rule of their own: what such arms have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Entry, Ledger, add, empty_ledger
from rsd_graph.answer.options import picked
from rsd_graph.answer.state import Candidate, FinishReason, Step
from rsd_graph.answer.steps import answer_text
from rsd_graph.answer.thinking import Phases, in_phase
from rsd_graph.lab.arms.arm import Outcome
from rsd_graph.lab.setup import Setup
from rsd_graph.nodes.request import is_judgeable
from rsd_graph.providers.base import Prefix, StepModel, StepRequest, check_scores


@dataclass
class UnfinishedAnswer:
    """One answer in the making, and everything spent on it.

    Args:
        setup: The models, and how they are asked.
        question: As it is asked.
        seed: Root of every random choice.
    """

    setup: Setup
    question: str
    seed: int
    ledger: Ledger = field(default_factory=empty_ledger, init=False)

    def book(self, entry: Entry) -> None:
        """Add to the ledger."""
        self.ledger = add(self.ledger, entry)

    def prefix_of(self, steps: Sequence[Step]) -> Prefix:
        """The conversation, and the answer as far as these steps."""
        options, limits = self.setup.options, self.setup.limits
        is_told = picked(Phases, options).are_told_apart
        phase = limits.phase_after(steps) if is_told else None
        conversation = self.setup.conversation(self.question)
        return Prefix(conversation, steps, options.step_separator, phase)

    async def write(self, model: StepModel, steps: Sequence[Step], purpose: str) -> Candidate:
        """A candidate for the step after *steps*; equal seeds and purposes write the same."""
        request = StepRequest(
            prefix=self.prefix_of(steps),
            max_tokens=max(1, self.setup.limits.step_budget(tokens_in(steps))),
            sampling=self.setup.sampling,
            seed=derive_seed(self.seed, purpose, len(steps)),
        )
        return in_phase(await model.write_step(request), request.prefix.phase)

    async def reward(self, steps: Sequence[Step], candidate: Candidate) -> float:
        """The PRM's reward, booked.

        Raises:
            RewardError: It cannot be used.
        """
        prm = self.setup.models.prm
        scores = await prm.score(self.prefix_of(steps), [candidate])
        check_scores(scores, [candidate], prm)
        self.book({"prm": scores.usage, "scored_steps": scores.verdicts})
        return scores.rewards[0]

    async def rank(self, steps: Sequence[Step], candidate: Candidate) -> float:
        """The same; a blank or cut-off step is not scored, and ranks lowest."""
        if not is_judgeable(candidate):
            return self.setup.models.prm.reward_range[0]
        return await self.reward(steps, candidate)

    def outcome(self, steps: Sequence[Step], reason: str) -> Outcome:
        """The finished answer."""
        text = answer_text(steps, self.setup.options.step_separator)
        return Outcome(text, steps, self.ledger, reason)


@dataclass
class StepwiseAnswer(UnfinishedAnswer, ABC):
    """An answer that grows by one settled step at a time."""

    steps: list[Step] = field(default_factory=list, init=False)

    async def finish(self) -> Outcome:
        """Add steps until a limit or the model says it is enough."""
        reason: FinishReason | None = None
        while reason is None:
            self.steps.append(await self.next_step())
            reason = self.setup.limits.finish_reason(self.steps, tokens_in(self.steps))
        return self.outcome(self.steps, reason)

    @abstractmethod
    async def next_step(self) -> Step:
        """The next settled step; what it cost is booked."""
        ...

    async def write_next(self, model: StepModel, purpose: str) -> Candidate:
        """A candidate for the next step."""
        return await self.write(model, self.steps, f"{purpose}/{self.question}")


def tokens_in(steps: Sequence[Step]) -> int:
    """Tokens of these steps."""
    return sum(step["tokens"] for step in steps)
