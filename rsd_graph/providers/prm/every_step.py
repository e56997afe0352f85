"""The rewards of all steps of an answer, from PRMs that report only what they are asked about."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import takewhile

from rsd_graph.answer.ledger import usage
from rsd_graph.answer.recent import Recent
from rsd_graph.answer.state import Candidate, Step
from rsd_graph.providers.base import Prefix, RewardModel, Scores, check_scores

_REMEMBERED_REWARDS = 10_000


class EveryStep:
    """Scores candidates, and says the settled steps' rewards with theirs.

    A settled step's reward is remembered from when it was a candidate. One that never was, because
    the target wrote it or another process began this answer, is scored in the same run as the next
    candidates. The reward that the graph keeps with a step would not do: it is the rejected
    draft's, and an aggregate where the graph was given one.

    Args:
        prm: Any.
    """

    def __init__(self, prm: RewardModel) -> None:
        self._prm = prm
        self._remembered: Recent[bytes, float] = Recent(_REMEMBERED_REWARDS)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; `step_rewards` holds one reward for every step.

        Raises:
            RewardError: The PRM's rewards cannot be trusted.
            ProviderError: The endpoint failed.
        """
        steps = [*map(_candidate, prefix.steps), *candidates]
        names = list(_names(prefix, steps))
        settled = takewhile(self._remembered.__contains__, names[: len(prefix.steps)])
        known = [self._remembered[name] for name in settled]
        asked = steps[len(known) :]
        scores = await self._prm.score(replace(prefix, steps=prefix.steps[: len(known)]), asked)
        check_scores(scores, asked, self._prm)
        rewards = [*known, *scores.rewards]
        self._remember(names, rewards)
        return Scores(rewards[len(prefix.steps) :], scores.usage, rewards)

    def _remember(self, names: Sequence[bytes], rewards: Sequence[float]) -> None:
        for name, reward in zip(names, rewards, strict=True):
            self._remembered[name] = reward


def _candidate(step: Step | Candidate) -> Candidate:
    """A step as it would stand under decision."""
    asked = Candidate(text=step["text"], ended=step["ended"], logprob=None, usage=usage(calls=0))
    if "tool_calls" in step:
        asked["tool_calls"] = step["tool_calls"]
    return asked


def _names(prefix: Prefix, steps: Sequence[Candidate]) -> Iterator[bytes]:
    """For each step a name that stands for it and all that was said before it."""
    name = json.dumps(prefix.conversation).encode()
    for step in steps:
        said = json.dumps([step["text"], step.get("tool_calls", [])]).encode()
        name = blake2b(name + said, digest_size=16).digest()
        yield name
