"""How likely a drafted step is to be rejected: a small model, learned from the verdicts so far."""

from __future__ import annotations

import math
from dataclasses import dataclass

from rsd_graph.answer.state import Candidate
from rsd_graph.early.pace import average

_RATE = 0.1
"""Step size of learning: what is known about the share of rejections is some 60 verdicts old."""

_FAR = 3.0
"""An uncertainty of more usual deviations than this counts as this many."""


@dataclass(slots=True)
class RejectionOdds:
    """Online logistic regression of the verdict on how unsure the draft was of its step.

    Where the draft reports no log-probabilities only `bias` is learned, and the estimate is the
    running share of rejections.

    Attributes:
        bias: Log-odds of a rejection for a step of usual uncertainty; the start is a guess of 20 %.
        weight: What one usual deviation of uncertainty adds to the log-odds.
        usual: Running mean of the draft's log-probability per token.
        deviation: Running mean of the distance from it.
    """

    bias: float = math.log(0.2 / 0.8)
    weight: float = 0.0
    usual: float = 0.0
    deviation: float = 0.0

    def uncertainty(self, draft: Candidate) -> float:
        """How much less sure than usual the draft was, in usual deviations; 0 if it did not say."""
        tokens = draft["usage"]["completion_tokens"]
        if draft["logprob"] is None or not tokens:
            return 0.0
        sureness = draft["logprob"] / tokens
        self.usual = average(self.usual, sureness)
        self.deviation = average(self.deviation, abs(sureness - self.usual))
        if not self.deviation:
            return 0.0
        return max(-_FAR, min(_FAR, (self.usual - sureness) / self.deviation))

    def probability(self, uncertainty: float) -> float:
        """The estimated probability that a step of this much uncertainty is rejected."""
        return 1 / (1 + math.exp(-self.bias - self.weight * uncertainty))

    def decided(self, uncertainty: float, *, rejected: bool) -> None:
        """Learn from a verdict."""
        error = rejected - self.probability(uncertainty)
        self.bias += _RATE * error
        self.weight += _RATE * error * uncertainty
