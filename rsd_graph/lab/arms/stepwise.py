"""Answers made step by step by a rule of their own: what such arms have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Entry, Ledger, add, empty_ledger
from rsd_graph.answer.state import Candidate, FinishReason, Step, answer_text
from rsd_graph.lab.arms.arm import Outcome, Stack
from rsd_graph.providers.base import Prefix, StepModel, StepRequest, check_scores


@dataclass
class StepwiseAnswer(ABC):
    """One answer in progress: its steps, and everything spent on it.

    Args:
        stack: The models.
        question: As it is asked.
        seed: Root of every random choice.
    """

    stack: Stack
    question: str
    seed: int
    steps: list[Step] = field(default_factory=list, init=False)
    ledger: Ledger = field(default_factory=empty_ledger, init=False)

    async def finish(self) -> Outcome:
        """Add steps until a limit or the model says it is enough."""
        reason: FinishReason | None = None
        while reason is None:
            self.steps.append(await self.next_step())
            reason = self.stack.limits.finish_reason(self.steps, self._spent())
        text = answer_text(self.steps, self.stack.separator)
        return Outcome(text, self.steps, self.ledger, reason)

    @abstractmethod
    async def next_step(self) -> Step:
        """The next settled step; what it cost is booked."""
        ...

    async def write(self, model: StepModel, purpose: str) -> Candidate:
        """A candidate for the next step; equal seeds and purposes write the same."""
        request = StepRequest(
            prefix=self.prefix,
            max_tokens=max(1, self.stack.limits.step_budget(self._spent())),
            sampling=self.stack.sampling,
            seed=derive_seed(self.seed, f"{purpose}/{self.question}", len(self.steps)),
        )
        return await model.write_step(request)

    async def reward(self, candidate: Candidate) -> float:
        """The PRM's reward, booked."""
        scores = await self.stack.prm.score(self.prefix, [candidate])
        check_scores(scores, [candidate], self.stack.prm)
        self.book({"prm": scores.usage, "scored_steps": 1})
        return scores.rewards[0]

    @property
    def prefix(self) -> Prefix:
        """What has been said."""
        conversation = self.stack.conversation(self.question)
        return Prefix(conversation, self.steps, self.stack.separator)

    def book(self, entry: Entry) -> None:
        """Add to the ledger."""
        self.ledger = add(self.ledger, entry)

    def _spent(self) -> int:
        return sum(step["tokens"] for step in self.steps)
