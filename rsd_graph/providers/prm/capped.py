"""A budget for the target: once its share of the steps is spent, drafts stand unasked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.adapted import adapted_prm
from rsd_graph.providers.base import Prefix, RewardModel, RewardModelLike, Scores


class Capped:
    """Gives the highest reward while the target has written more than *share* of the steps so far.

    A budgeted policy in the sense of TRIM (arXiv 2601.10245), as a rule: an answer of n steps has
    at most 1 + share * n of the target's, however bad its drafts are. TRIM's own policies, learned
    by reinforcement or by planning, are left out. A pure function of the answer, so that runs
    replay. What stands unasked costs no verdict.

    Args:
        prm: Asked while there is a budget.
        share: Of the steps, in [0, 1]; 1 changes nothing.

    Raises:
        ConfigurationError: No share, or a PRM without a highest reward.
    """

    def __init__(self, prm: RewardModelLike, share: float) -> None:
        if not 0 <= share <= 1 or math.isinf(prm.reward_range[1]):
            raise ConfigurationError(
                f"a share of {share:g} for the target, of rewards in {prm.reward_range}.",
                role="prm",
                expected="a share in [0, 1], and a PRM with a highest reward",
            )
        self.members: tuple[RewardModel, ...] = (adapted_prm(prm),)
        self._share = share

    @property
    def reward_range(self) -> tuple[float, float]:
        """The PRM's own."""
        return self.members[0].reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            RewardError: The PRM's rewards cannot be trusted.
            ProviderError: The endpoint failed.
        """
        unasked = min(self._unasked(prefix), len(candidates))
        free = [self.reward_range[1]] * unasked
        if unasked == len(candidates):
            return Scores(free, usage(calls=0, cached_tokens=0), judged=0)
        before = replace(prefix, steps=[*prefix.steps, *candidates[:unasked]])
        scores = await self.members[0].score(before, candidates[unasked:])
        return replace(scores, rewards=[*free, *scores.rewards], judged=scores.verdicts)

    def _unasked(self, prefix: Prefix) -> int:
        """How many steps have to stand before the target may write again."""
        written = sum(step.get("source") == "target" for step in prefix.steps)
        if written == 0:
            return 0
        if self._share == 0:
            return 1
        return max(0, math.ceil(written / self._share) - len(prefix.steps))
