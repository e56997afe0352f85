"""The advantage oracle: how good could any choice between the two models be with this PRM?

Arbitrage (arXiv 2512.05033) asks the target only where its step would be better than the draft's.
The oracle knows, because it lets both write. It bounds what routers can gain in reward, so what it
lacks in accuracy is the PRM's fault; it is no method.
"""

from __future__ import annotations

import asyncio

from rsd_graph.answer.ledger import Entry
from rsd_graph.answer.state import Candidate, Step
from rsd_graph.lab.arms.alone import settled
from rsd_graph.lab.arms.arm import Arm, Outcome, Stack
from rsd_graph.lab.arms.stepwise import StepwiseAnswer
from rsd_graph.nodes.request import is_judgeable


def advantage_oracle(stack: Stack) -> Arm:
    """Draft and target both write every step; the target's stands iff its reward is higher.

    The ledger holds what the oracle spends; no router that deserves the name would spend it.
    """

    async def solve(question: str, seed: int) -> Outcome:
        return await _Answer(stack, question, seed).finish()

    return Arm("advantage oracle", solve)


class _Answer(StepwiseAnswer):
    async def next_step(self) -> Step:
        """The better of both models' steps; at equal rewards the draft's."""
        stack = self.stack
        draft, target = await asyncio.gather(
            self.write(stack.draft, "draft"), self.write(stack.target, "target")
        )
        r_draft, r_target = await asyncio.gather(self._rank(draft), self._rank(target))
        written: Entry = {"draft": draft["usage"], "target": target["usage"], "drafted_steps": 1}
        if is_judgeable(draft) and r_draft >= r_target:
            kept = draft["usage"]["completion_tokens"]
            self.book({**written, "accepted_steps": 1, "kept_draft_tokens": kept})
            return {**settled(draft, "draft"), "reward": r_draft}
        lost = draft["usage"]["completion_tokens"]
        self.book({**written, "target_steps": 1, "discarded_draft_tokens": lost})
        rewrite = settled(target, "target")
        return {**rewrite, "reward": r_draft, "rejected_text": draft["text"]}

    async def _rank(self, candidate: Candidate) -> float:
        """The PRM's reward; a blank or cut-off step ranks lowest."""
        if not is_judgeable(candidate):
            return self.stack.prm.reward_range[0]
        return await self.reward(candidate)
