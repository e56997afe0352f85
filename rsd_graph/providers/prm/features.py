"""Verdicts that cost no request: what the draft's own words say of a step.

They need a draft that reports log-probabilities (`logprobs=on` in its endpoint string), and say how
sure it was, not whether it is right. By themselves they are the baseline a PRM has to beat; before
a PRM, in a `Cascade`, they spare it what is easy; weighted together they are `Learned`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate, Certainty
from rsd_graph.errors import CapabilityError
from rsd_graph.providers.base import Prefix, Scores

_LEAST = 1e-4
"""A surprise below this is none: the logarithm of one goes no further."""


class LeastLikelyToken:
    """r = the probability of the step's least likely token, in [0, 1].

    One slip spoils a step, and a mean hides it. SpecGuard (arXiv 2604.15244) checks log-probability
    beside self-consistency and attention, which are left out here: attention cannot be had over
    HTTP. AdaptiveStep (arXiv 2502.13943) cuts steps where this is low.
    """

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            CapabilityError: The draft reported no log-probabilities.
        """
        return free([math.exp(min(0.0, certainty_of(each)["lowest"])) for each in candidates])


class FirstTokenCertainty:
    """r = exp(-H), H the entropy of the step's first token: 1 where nothing else could have come.

    GlimpRouter (arXiv 2601.05110) gives a step to the large model if H >= 1.0 nats; that is
    `delta=0.368`. It drafts that one token and asks before the step is written; here the step is
    there already. It reads 20 rivals; we ask for 5, so that H is a lower bound.
    """

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            CapabilityError: The draft reported no log-probabilities.
        """
        return free([math.exp(-certainty_of(each)["first_entropy"]) for each in candidates])


def certainty_of(candidate: Candidate) -> Certainty:
    """What the draft reported of its own words.

    Raises:
        CapabilityError: It reported nothing.
    """
    if "certainty" not in candidate:
        raise no_logprobs()
    return candidate["certainty"]


def no_logprobs() -> CapabilityError:
    """The error of a verdict on words whose probabilities nobody knows."""
    return CapabilityError(
        "the draft reported no log-probabilities.",
        role="draft",
        expected="a draft that reports them",
        hint="Add logprobs=on to its endpoint string: vllm+http://host:8000/v1?logprobs=on#model, "
        "embedded:draft?logprobs=on; or build it with HostedModel(wire, logprobs=True).",
    )


def free(rewards: Sequence[float]) -> Scores:
    """Scores for which no model was asked."""
    return Scores(rewards, usage(calls=0, cached_tokens=0), judged=0)


Feature = Callable[[Candidate, int], float]
"""(step, how many steps stand before it) -> a number a learned verdict can weigh."""

FEATURES: Mapping[str, Feature] = MappingProxyType(
    {
        "mean_surprise": lambda step, position: _log(-certainty_of(step)["mean"]),
        "largest_surprise": lambda step, position: _log(-certainty_of(step)["lowest"]),
        "first_entropy": lambda step, position: certainty_of(step)["first_entropy"],
        "length": lambda step, position: math.log(certainty_of(step)["tokens"]),
        "position": lambda step, position: float(position),
    }
)
"""What a learned verdict reads in a step, by name.

Surprise is minus the log-probability of a token, mean or largest, on a logarithmic scale: a draft
is mostly almost certain, and the differences there tell as much as those between guesses. Length is
the logarithm of the tokens, entropy is in nats, position counts steps from 0.
"""


def features_of(candidate: Candidate, position: int) -> dict[str, float]:
    """Every feature of a step, by name.

    Raises:
        CapabilityError: The draft reported no log-probabilities.
    """
    return {name: feature(candidate, position) for name, feature in FEATURES.items()}


def _log(surprise: float) -> float:
    return math.log(max(0.0, surprise) + _LEAST)
