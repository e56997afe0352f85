"""The advantage oracle: how good could any choice between the two models be with this PRM?

Arbitrage (arXiv 2512.05033) asks the target only where its step would be better than the draft's.
The oracle knows, because it lets both write. It bounds what routers can gain in reward, so what it
lacks in accuracy is the PRM's fault; it is no method.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from rsd_graph.acceptance import derive_seed
from rsd_graph.errors import Role
from rsd_graph.evaluation.arms import Arm, Outcome, Stack
from rsd_graph.evaluation.baselines import settled
from rsd_graph.ledger import Ledger, add, empty_ledger
from rsd_graph.nodes._request import is_judgeable
from rsd_graph.providers.base import Prefix, StepModel, StepRequest
from rsd_graph.state import Candidate, FinishReason, Step, answer_text


def advantage_oracle(stack: Stack) -> Arm:
    """Draft and target both write every step; the target's stands iff its reward is higher.

    The ledger holds what the oracle spends; no router that deserves the name would spend it.
    """

    async def solve(question: str, seed: int) -> Outcome:
        return await _Run(stack, question, seed).finish()

    return Arm("advantage oracle", solve)


@dataclass
class _Run:
    """One answer in progress."""

    stack: Stack
    question: str
    seed: int
    steps: list[Step] = field(default_factory=list)
    ledger: Ledger = field(default_factory=empty_ledger)

    async def finish(self) -> Outcome:
        reason: FinishReason | None = None
        while reason is None:
            self.steps.append(await self._step())
            reason = self.stack.limits.finish_reason(self.steps, self._spent())
        text = answer_text(self.steps, self.stack.separator)
        return Outcome(text, self.steps, self.ledger, reason)

    async def _step(self) -> Step:
        """The better of both models' steps; at equal rewards the draft's."""
        stack = self.stack
        draft, target = await asyncio.gather(
            self._write(stack.draft, "draft"), self._write(stack.target, "target")
        )
        r_draft, r_target = await asyncio.gather(self._reward(draft), self._reward(target))
        written = {"draft": draft["usage"], "target": target["usage"], "drafted_steps": 1}
        if is_judgeable(draft) and r_draft >= r_target:
            kept = draft["usage"]["completion_tokens"]
            self._book({**written, "accepted_steps": 1, "kept_draft_tokens": kept})
            return {**settled(draft, "draft"), "reward": r_draft}
        lost = draft["usage"]["completion_tokens"]
        self._book({**written, "target_steps": 1, "discarded_draft_tokens": lost})
        rewrite = settled(target, "target")
        return {**rewrite, "reward": r_draft, "rejected_text": draft["text"]}

    async def _write(self, model: StepModel, role: Role) -> Candidate:
        request = StepRequest(
            prefix=self._prefix(),
            max_tokens=max(1, self.stack.limits.step_budget(self._spent())),
            sampling=self.stack.sampling,
            seed=derive_seed(self.seed, f"{role}/{self.question}", len(self.steps)),
        )
        return await model.write_step(request)

    async def _reward(self, candidate: Candidate) -> float:
        """The PRM's reward; a blank or cut-off step ranks lowest."""
        if not is_judgeable(candidate):
            return self.stack.prm.reward_range[0]
        scores = await self.stack.prm.score(self._prefix(), [candidate])
        self._book({"prm": scores.usage, "scored_steps": 1})
        return scores.rewards[0]

    def _prefix(self) -> Prefix:
        conversation = self.stack.conversation(self.question)
        return Prefix(conversation, self.steps, self.stack.separator)

    def _spent(self) -> int:
        return sum(step["tokens"] for step in self.steps)

    def _book(self, entry: dict[str, object]) -> None:
        self.ledger = add(self.ledger, entry)
