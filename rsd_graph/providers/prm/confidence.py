"""The draft's confidence in its own words: rewards without any PRM."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.prm.features import free
from rsd_graph.providers.prm.ratio import draft_log_probability


class DraftConfidence:
    """r = exp(log P_m(y|z) / tokens of y): the geometric mean of the tokens' probabilities.

    Costs nothing and asks nobody. It says how sure the draft is, not whether it is right: the
    baseline any PRM has to beat. The draft must report its log-probabilities: `logprobs=on` in its
    endpoint string, or `HostedModel(wire, logprobs=True)`. Tokens are the server's count, separator
    included.
    """

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            CapabilityError: The draft reported no log-probabilities.
        """
        rewards = [
            math.exp(min(0.0, draft_log_probability(c) / max(1, c["usage"]["completion_tokens"])))
            for c in candidates
        ]
        return free(rewards)
