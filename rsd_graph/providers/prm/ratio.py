"""The target's opinion of the drafted words: rewards for `likelihood_ratio` and `hybrid`."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rsd_graph.answer.ledger import Usage, add_usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import CapabilityError
from rsd_graph.providers.adapted import adapted_prm
from rsd_graph.providers.base import (
    Prefix,
    RewardModelLike,
    Scores,
    StepModel,
    TextScorer,
)
from rsd_graph.providers.prm.each import all_with_costs, opinion
from rsd_graph.providers.prm.features import no_logprobs


class LikelihoodRatio:
    """r = log P_M(y|z) - log P_m(y|z), for `likelihood_ratio` (the authors' rebuttal).

    The target reads the drafted text (one request per candidate, booked as the PRM's); the draft
    must report its own log-probabilities: `HostedModel(wire, logprobs=True)`. Both are taken at
    temperature 1.

    Raises:
        CapabilityError: This target cannot report the probability of given text.
    """

    reward_range = (-math.inf, math.inf)

    def __init__(self, target: StepModel) -> None:
        if not isinstance(target, TextScorer):
            raise CapabilityError(
                f"{type(target).__name__} cannot report the probability of given text.",
                role="target",
                expected="a target with prompt log-probabilities, such as vllm+http://",
            )
        self._target: TextScorer = target

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            CapabilityError: The draft reported no log-probabilities.
            ProviderError: The target's endpoint failed.
        """
        drafted = [draft_log_probability(candidate) for candidate in candidates]
        scored = await all_with_costs(
            self._target_log_probability(prefix, candidates[:index], candidate)
            for index, candidate in enumerate(candidates)
        )
        pairs = zip(scored, drafted, strict=True)
        rewards = [by_target - by_draft for (by_target, _), by_draft in pairs]
        return Scores(rewards, add_usage(*(spent for _, spent in scored)))

    async def _target_log_probability(
        self, prefix: Prefix, before: Sequence[Candidate], candidate: Candidate
    ) -> tuple[float, Usage]:
        """log P_M of one candidate, after the candidates before it."""
        context = Prefix(prefix.conversation, [*prefix.steps, *before], prefix.separator)
        ending = prefix.separator if candidate["ended"] == "separator" else ""
        return await self._target.log_probability(context, candidate["text"], ending)


class HybridRatio:
    """r = reward * P_M(y|z) / P_m(y|z), for `hybrid` (the authors' rebuttal).

    Args:
        prm: Gives the reward.
        target: See `LikelihoodRatio`.
    """

    reward_range = (-math.inf, math.inf)

    def __init__(self, prm: RewardModelLike, target: StepModel) -> None:
        self._prm = adapted_prm(prm)
        self._ratio = LikelihoodRatio(target)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `LikelihoodRatio.score`; `step_rewards` holds the PRM's own rewards."""
        (rewards, _), (ratios, _) = await all_with_costs(
            opinion(prm, prefix, candidates) for prm in (self._prm, self._ratio)
        )
        weighted = [
            reward * math.exp(min(log_ratio, 700.0))  # beyond that, floats overflow
            for reward, log_ratio in zip(rewards.rewards, ratios.rewards, strict=True)
        ]
        return Scores(weighted, add_usage(rewards.usage, ratios.usage), rewards.rewards)


def draft_log_probability(candidate: Candidate) -> float:
    """What the draft reported of its own words.

    Raises:
        CapabilityError: It reported nothing.
    """
    if candidate["logprob"] is None:
        raise no_logprobs()
    return candidate["logprob"]
