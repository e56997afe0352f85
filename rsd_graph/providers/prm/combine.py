"""Rewards made of rewards: several PRMs as one, or one PRM's rows so far as one reward."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from types import MappingProxyType
from typing import Literal

from rsd_graph.answer.ledger import add_usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.adapted import adapted_prm
from rsd_graph.providers.base import Prefix, RewardModel, RewardModelLike, Scores
from rsd_graph.providers.prm.each import all_with_costs, opinion
from rsd_graph.providers.prm.every_step import EveryStep

Aggregation = Literal["last", "min", "product", "mean"]

AGGREGATIONS: Mapping[Aggregation, Callable[[Sequence[float]], float]] = MappingProxyType(
    {"last": lambda rewards: rewards[-1], "min": min, "product": math.prod, "mean": fmean}
)
"""One reward from those of an answer's steps, in order."""


class Aggregated:
    """The reward of a step from those of all steps up to it, as best-of-N uses PRMs.

    RSD itself wants `"last"`, what every PRM here gives by itself.

    Args:
        prm: Any; settled steps it was never asked about are scored with the next candidates.
        how: `"last"`, `"min"`, `"product"` or `"mean"`.

    Raises:
        ConfigurationError: Unknown aggregation, or a product of rewards that are no probabilities.
    """

    def __init__(self, prm: RewardModelLike, how: Aggregation) -> None:
        low, high = prm.reward_range
        if how not in AGGREGATIONS or (how == "product" and not 0 <= low <= high <= 1):
            raise ConfigurationError(
                f"rewards in [{low:g}, {high:g}] cannot be aggregated by {how!r}.",
                role="prm",
                expected=f"one of {', '.join(AGGREGATIONS)}; product for rewards in [0, 1] only",
            )
        self.members: tuple[RewardModel, ...] = (adapted_prm(prm),)
        self._every_step = EveryStep(self.members[0])
        self._how = how

    @property
    def reward_range(self) -> tuple[float, float]:
        """The PRM's; a product can go down to 0."""
        low, high = self.members[0].reward_range
        return (0.0, high) if self._how == "product" else (low, high)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            RewardError: The PRM's rewards cannot be trusted.
            ProviderError: The endpoint failed.
        """
        scores = await self._every_step.score(prefix, candidates)
        settled, rows = len(prefix.steps), scores.step_rewards
        aggregate = AGGREGATIONS[self._how]
        rewards = [aggregate(rows[: settled + n]) for n in range(1, len(candidates) + 1)]
        return Scores(rewards, scores.usage, rows)


class Ensemble:
    """Several PRMs, asked at once, as one.

    Args:
        prms: At least one, all with the same reward range.
        how: `"mean"` of their rewards, or `"min"`: accept only what all of them accept.

    Raises:
        ConfigurationError: No PRM, or ranges that differ: their rewards cannot be compared.
    """

    def __init__(
        self, prms: Sequence[RewardModelLike], how: Literal["mean", "min"] = "mean"
    ) -> None:
        ranges = {prm.reward_range for prm in prms}
        if len(ranges) != 1 or how not in ("mean", "min"):
            raise ConfigurationError(
                f"PRMs with the reward ranges {sorted(ranges)} cannot be combined by {how!r}.",
                role="prm",
                expected="at least one PRM, the same range for all, and mean or min",
                hint="Bring rewards to one scale with a FunctionPRM of your own.",
            )
        self._prms = tuple(adapted_prm(prm) for prm in prms)
        self._combine = AGGREGATIONS[how]

    @property
    def reward_range(self) -> tuple[float, float]:
        """That of its members."""
        return self._prms[0].reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; the first member that fails ends it.

        Raises:
            RewardError: A member's rewards cannot be trusted.
            ProviderError: An endpoint failed.
        """
        opinions = await all_with_costs(opinion(prm, prefix, candidates) for prm in self._prms)
        together = zip(*(scores.rewards for scores, _ in opinions), strict=True)
        rewards = [self._combine(rewards) for rewards in together]
        return Scores(rewards, add_usage(*(spent for _, spent in opinions)))
