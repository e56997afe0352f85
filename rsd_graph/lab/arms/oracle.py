"""The advantage oracle: how good could any choice between the two models be with this PRM?

Arbitrage (arXiv 2512.05033) asks the target only where its step would be better than the draft's.
The oracle knows, because it lets both write. It bounds what routers can gain in reward, so what it
lacks in accuracy is the PRM's fault; it is no method.
"""

from __future__ import annotations

from rsd_graph.answer.state import Step
from rsd_graph.lab.arms.alone import settled
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.stepwise import StepwiseAnswer
from rsd_graph.lab.setup import Setup
from rsd_graph.nodes.request import is_judgeable
from rsd_graph.providers.prm.each import all_or_none


def advantage_oracle(setup: Setup) -> Arm:
    """Draft and target both write every step; the target's stands iff its reward is higher.

    The ledger holds what the oracle spends; no router that deserves the name would spend it.
    """

    async def solve(question: str, seed: int) -> Outcome:
        return await _Answer(setup, question, seed).finish()

    return Arm("advantage oracle", solve)


class _Answer(StepwiseAnswer):
    async def next_step(self) -> Step:
        """The better of both models' steps; at equal rewards the draft's."""
        models = self.setup.models
        both = self.write_next(models.draft, "draft"), self.write_next(models.target, "target")
        draft, target = await all_or_none(both)
        of_draft, of_target = await all_or_none(
            self.rank(self.steps, candidate) for candidate in (draft, target)
        )
        tokens = draft["usage"]["completion_tokens"]
        self.book({"draft": draft["usage"], "target": target["usage"], "drafted_steps": 1})
        if is_judgeable(draft) and of_draft >= of_target:
            self.book({"accepted_steps": 1, "kept_draft_tokens": tokens})
            return {**settled(draft, "draft"), "reward": of_draft}
        self.book({"target_steps": 1, "discarded_draft_tokens": tokens})
        rewrite = settled(target, "target")
        return {**rewrite, "reward": of_draft, "rejected_text": draft["text"]}
