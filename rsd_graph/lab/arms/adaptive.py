"""Thresholds that adapt, as reward models around a PRM: the decision itself stays `r >= delta`.

A reward is asked for once, where the PRM is called, and then stored with the run; so an adapted
reward is decided on, resumed and replayed like any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from rsd_graph.answer.state import Candidate
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.base import Prefix, RewardModel, Scores


class RewardRank:
    """Each reward as its rank among the latest: the share of them that are lower.

    With `delta=gamma` the target writes a share *gamma* of the steps, whatever the PRM's scale
    and however it drifts: Proposition 2.3 with the quantile taken from what is met in use. Memory
    is shared by all answers of the object, so an answer depends on those before it.

    Args:
        prm: Gives the rewards.
        delta: Decides until *warm_up* rewards are known: rank 1 from here on, 0 below.
        memory: Rewards to compare with.
        warm_up: Rewards needed for a rank.

    Raises:
        ConfigurationError: `warm_up` is not between 1 and `memory`.
    """

    reward_range = (0.0, 1.0)

    def __init__(
        self, prm: RewardModel, delta: float, *, memory: int = 1000, warm_up: int = 50
    ) -> None:
        if not 1 <= warm_up <= memory:
            raise ConfigurationError(
                f"warm_up={warm_up}, memory={memory}.", expected="1 <= warm_up <= memory"
            )
        self._prm = prm
        self._delta = delta
        self._warm_up = warm_up
        self._latest: deque[float] = deque(maxlen=memory)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        scores = await self._prm.score(prefix, candidates)
        ranks = [self._rank(reward) for reward in scores.rewards]
        self._latest.extend(scores.rewards)
        return replace(scores, rewards=ranks)

    def _rank(self, reward: float) -> float:
        if len(self._latest) < self._warm_up:
            return float(reward >= self._delta)
        return sum(other < reward for other in self._latest) / len(self._latest)


class DifficultyAware:
    """Lowers rewards on questions where the draft has done worse than usual so far.

    That is a delta of its own for each question: `delta + strength * (usual - mean reward of the
    answer's draft steps so far)`. Rewards so far are taken as adapted: a low one lowers all that
    follow. A pure function of the answer, so runs replay.

    Args:
        prm: Gives the rewards.
        usual: Mean reward of draft steps, from other questions.
        strength: 0 changes nothing; from 1 on, one low reward would lower the rest without end.

    Raises:
        ConfigurationError: *strength* is not in [0, 1).
    """

    def __init__(self, prm: RewardModel, usual: float, strength: float = 0.5) -> None:
        if not 0 <= strength < 1:
            raise ConfigurationError(f"strength={strength}.", expected="0 <= strength < 1")
        self._prm = prm
        self._usual = usual
        self._strength = strength

    @property
    def reward_range(self) -> tuple[float, float]:
        """The PRM's own."""
        return self._prm.reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; each candidate is judged after those before it in the run."""
        scores = await self._prm.score(prefix, candidates)
        settled = [step.get("reward") for step in prefix.steps]
        earlier = [reward for reward in settled if isinstance(reward, int | float)]
        adapted: list[float] = []
        for reward in scores.rewards:
            adapted.append(self._adapted(reward, [*earlier, *adapted]))
        return replace(scores, rewards=adapted)

    def _adapted(self, reward: float, earlier: Sequence[float]) -> float:
        low, high = self.reward_range
        worse = self._usual - fmean(earlier) if earlier else 0.0
        return max(low, min(high, reward - self._strength * worse))
