"""PRMs whose verdict is a token: reward = P(good) / (P(good) + P(bad)), over any wire."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import Usage, add_usage
from rsd_graph.answer.state import Candidate, Message
from rsd_graph.errors import RewardError
from rsd_graph.providers.base import Prefix, Scores
from rsd_graph.providers.facts import ServerFacts, describe
from rsd_graph.providers.http.answers import reading
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.names import Name, public_name
from rsd_graph.providers.prm.each import score_each
from rsd_graph.providers.prm.format import PRMFormat, refuse_reserved
from rsd_graph.providers.wires.completion import CompletionRequest, CompletionWire, Token
from rsd_graph.providers.wires.hosted import HostedModel

_RIVALS = 20
"""The most top log-probabilities vLLM reports."""


class TokenProbabilityPRM:
    """A generative PRM: every candidate of a run is judged on its own, all at once.

    The reward is the mean worth of the verdict tokens, weighted by their probabilities: of `+` and
    `-`, P(+) / (P(+) + P(-)); of the digits, the expected grade.

    Args:
        wire: The server's protocol.
        format: How this family of PRMs is asked.
    """

    def __init__(self, wire: CompletionWire, format: PRMFormat) -> None:
        self._model = HostedModel(wire)
        self._format = format

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return self._model.endpoint

    @property
    def public_name(self) -> Name:
        """What it is called where others read it."""
        return public_name(self._model)

    @property
    def family(self) -> str:
        """The name of its format."""
        return self._format.name

    @property
    def reward_range(self) -> tuple[float, float]:
        """The worst and the best verdict; [0, 1] unless the format has grades."""
        worth = self._format.worth.values()
        return min(worth), max(worth)

    def __repr__(self) -> str:
        """Family and address, never the key."""
        return f"{type(self).__name__}({self._format.name}, {self.endpoint})"

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await describe(self._model.wire)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`.

        Raises:
            RewardError: No verdict, or a step contains the PRM's own tag.
            ProviderError: The endpoint failed.
        """
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        refuse_reserved(steps, self._format.reserved, self.endpoint)

        async def judge(steps: list[str]) -> tuple[float, Usage]:
            return await self._judge(prefix.conversation, steps)

        if not self._format.doubts:
            return await score_each(prefix, candidates, judge)
        thoughts = [each for each in candidates if each.get("phase") != "answer"]
        doubted = await score_each(prefix, thoughts, judge)
        certain = [1.0] * (len(candidates) - len(thoughts))  # what is answered stands
        return replace(doubted, rewards=[*doubted.rewards, *certain], judged=len(thoughts))

    async def _judge(
        self, conversation: Sequence[Message], steps: Sequence[str]
    ) -> tuple[float, Usage]:
        """Let the PRM speak about the last step."""
        prompt = await self._format.prompt(self._model.render, conversation, steps)
        spent = []
        if thinking := self._format.thinking:
            request = CompletionRequest(prompt, thinking.max_tokens, thinking.stop)
            thought = await self._model.complete(request)
            prompt += thought.text + thinking.verdict
            spent.append(thought.usage)
        request = CompletionRequest(prompt, self._format.max_tokens, logprobs=_RIVALS)
        with kept_on_error(spent), reading(self.endpoint):
            verdict = await self._model.complete(request)
            spent.append(verdict.usage)
            return self._reward(verdict.tokens), add_usage(*spent)

    def _reward(self, tokens: Sequence[Token]) -> float:
        worth = self._format.worth
        verdict = self._verdict(tokens)
        if doubts := self._format.doubts:
            doubted = sum(math.exp(lp) for word, lp in verdict.top.items() if _word(word) in doubts)
            return max(0.0, 1.0 - doubted)
        if self._format.greedy:
            word = _bare(verdict.text)
            if word not in worth:
                raise self._no_verdict(f"it said {word!r}")
            return worth[word]
        # One that is not among the likeliest counts as impossible.
        weights = {word: _probability(verdict.top, word) for word in worth}
        total = sum(weights.values())
        if total == 0:
            raise self._no_verdict(f"none is among the likeliest {len(verdict.top)} tokens")
        mean = sum(worth[word] * weight for word, weight in weights.items()) / total
        low, high = self.reward_range
        return min(max(mean, low), high)  # rounding may step just outside

    def _verdict(self, tokens: Sequence[Token]) -> Token:
        """The token that is the verdict, or stands where it must."""
        if self._format.max_tokens == 1 and tokens:
            return tokens[0]
        words = self._format.worth
        found = next((token for token in tokens if _bare(token.text) in words), None)
        if found is None:
            raise self._no_verdict(f"none in {len(tokens)} tokens")
        return found

    def _no_verdict(self, what: str) -> RewardError:
        return self.endpoint.in_role("prm").error(
            RewardError,
            f"the PRM gave no verdict: {what}.",
            expected=" or ".join(map(repr, self._format.worth)),
            hint=f"Is this a PRM of the family {self._format.name!r}?",
        )


def _bare(text: str) -> str:
    """A token's text without the space before it, however the tokenizer writes that space."""
    return text.strip(" ▁Ġ\n")


def _word(text: str) -> str:
    """The word a token begins with, however it is spelled."""
    return _bare(text).rstrip(",.:").lower()


def _probability(top: Mapping[str, float], word: str) -> float:
    """Probability of *word*, with or without a space before it."""
    return sum(math.exp(logprob) for text, logprob in top.items() if _bare(text) == word)
