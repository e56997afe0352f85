"""PRMs whose verdict is a token: reward = P(good) / (P(good) + P(bad)), over any wire."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from rsd_graph.errors import RewardError
from rsd_graph.ledger import Usage, add_usage
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.completion import (
    Completion,
    CompletionRequest,
    CompletionWire,
    HostedModel,
    Token,
)
from rsd_graph.providers.endpoint import Endpoint
from rsd_graph.providers.prm.format import PRMFormat, refuse_reserved
from rsd_graph.state import Candidate, Message

T = TypeVar("T")

_RIVALS = 20
"""The most top log-probabilities vLLM reports."""


class TokenProbabilityPRM:
    """A generative PRM: one request per candidate, all of a run at once.

    Args:
        wire: The server's protocol.
        format: How this family of PRMs is asked.
    """

    reward_range = (0.0, 1.0)

    def __init__(self, wire: CompletionWire, format: PRMFormat) -> None:
        self._model = HostedModel(wire)
        self._format = format

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return self._model.endpoint

    def __repr__(self) -> str:
        """Family and address, never the key."""
        return f"{type(self).__name__}({self._format.name}, {self.endpoint})"

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            RewardError: No verdict, or a step contains the PRM's own tag.
            ProviderError: The endpoint failed.
        """
        started = time.perf_counter()
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        refuse_reserved(steps, self._format.reserved, self.endpoint)
        settled = len(prefix.steps)
        judged = await all_or_none(
            self._judge(prefix.conversation, steps[: settled + number])
            for number in range(1, len(candidates) + 1)
        )
        spent = add_usage(*(completion.usage for completion in judged))
        elapsed = (time.perf_counter() - started) * 1000
        rewards = [self._reward(completion) for completion in judged]
        return Scores(rewards, Usage(**{**spent, "ms": elapsed}))

    async def _judge(self, conversation: Sequence[Message], steps: Sequence[str]) -> Completion:
        """Let the PRM speak about the last step."""
        prompt = await self._format.prompt(self._model.render, conversation, steps)
        request = CompletionRequest(prompt, self._format.max_tokens, logprobs=_RIVALS)
        return await self._model.wire.complete(request)

    def _reward(self, completion: Completion) -> float:
        verdict = self._verdict(completion.tokens)
        good = _log_sum(verdict.top, self._format.good)
        bad = _log_sum(verdict.top, self._format.bad)
        if good == bad == -math.inf:
            raise self._no_verdict(f"neither is among the likeliest {len(verdict.top)} tokens")
        # P(good) / (P(good) + P(bad)); one that is not among the likeliest counts as impossible
        return 1 / (1 + math.exp(min(bad - good, 700.0)))

    def _verdict(self, tokens: Sequence[Token]) -> Token:
        """The token that is the verdict, or stands where it must."""
        if self._format.max_tokens == 1 and tokens:
            return tokens[0]
        words = (self._format.good, self._format.bad)
        found = next((token for token in tokens if _bare(token.text) in words), None)
        if found is None:
            raise self._no_verdict(f"none in {len(tokens)} tokens")
        return found

    def _no_verdict(self, what: str) -> RewardError:
        return RewardError(
            f"the PRM gave no verdict: {what}.",
            role="prm",
            endpoint=str(self.endpoint),
            expected=f"{self._format.good!r} or {self._format.bad!r}",
            hint=f"Is this a PRM of the family {self._format.name!r}?",
        )


async def all_or_none(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """The results of all, run together; the first error, or a cancellation, ends the others."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _bare(text: str) -> str:
    """A token's text without the space before it, however the tokenizer writes that space."""
    return text.strip(" ▁Ġ\n")


def _log_sum(top: Mapping[str, float], word: str) -> float:
    """Log-probability of *word*, with or without a space before it."""
    total = sum(math.exp(logprob) for text, logprob in top.items() if _bare(text) == word)
    return math.log(total) if total > 0 else -math.inf
