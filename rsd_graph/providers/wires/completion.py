"""What a wire is asked and what it answers: text to continue, and the text that continues it.

A *wire* speaks one server's protocol and knows how that server says "your separator matched".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Protocol

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Certainty, Ended, Message
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """Continue *prompt*, which is complete: no template, no special token is to be added.

    Attributes:
        stop: Strings that end the text; at most 4 (what vLLM and TGI take).
        logprobs: How many of the likeliest tokens to report at each position; `None` for none.
    """

    prompt: str
    max_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token: its text, its log-probability, and the likeliest tokens' there."""

    text: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Completion:
    """Generated text, cut before the stop string that ended it.

    `ended` is `"separator"` only if one of the request's own stop strings matched; `stop` is that
    one, where the server says which. Unless `is_whole`, the last of the tokens were not reported.
    """

    text: str
    ended: Ended
    usage: Usage
    tokens: Sequence[Token] = ()
    is_whole: bool = True
    stop: str = ""

    @property
    def logprob(self) -> float | None:
        """See `log_probability_within`; `None` if not all tokens were reported."""
        known = self.tokens and self.is_whole
        return log_probability_within(self.text, self.tokens) if known else None

    @property
    def certainty(self) -> Certainty | None:
        """What the tokens tell beside their sum; `None` if there are none to tell it."""
        inside = list(tokens_within(self.text, self.tokens))
        if not inside:
            return None
        logprobs = [token.logprob for token in inside]
        return Certainty(
            tokens=len(inside),
            mean=fmean(logprobs),
            lowest=min(logprobs),
            first_entropy=entropy_at_least(inside[0].top.values()),
        )


def tokens_within(text: str, tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens that begin inside *text*: what ends it is not part of it.

    The separator and the end-of-text token are left out, because servers disagree on reporting
    them; a token that holds the last characters and the separator together counts in full.
    """
    position = 0
    for token in tokens:
        if position >= len(text):
            break
        yield token
        position += len(token.text)


def log_probability_within(text: str, tokens: Iterable[Token]) -> float:
    """Sum over `tokens_within` *text*."""
    return sum((token.logprob for token in tokens_within(text, tokens)), 0.0)


def entropy_at_least(logprobs: Iterable[float]) -> float:
    """The entropy, in nats, of a token of which only the likeliest are known: a lower bound.

    What is not known counts as one more token; to divide it further could only add entropy.
    """
    known = [math.exp(logprob) for logprob in logprobs]
    return -sum(p * math.log(p) for p in (*known, 1.0 - sum(known)) if p > 0)


class CompletionWire(Protocol):
    """One server's protocol for continuing text."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        ...

    async def render(self, conversation: Sequence[Message]) -> str:
        """The prompt the model's chat template makes of *conversation*, ready for the answer."""
        ...

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            ProviderError: Anything but a well-formed answer.
        """
        ...


def cut_at_stop(text: str, stop: Sequence[str]) -> tuple[str, str]:
    """*text* up to the first stop string in it, and that string; empty if there was none.

    For servers that leave the stop string in, or run past it, such as TGI.
    """
    found = [(position, s) for s in stop if (position := text.find(s)) >= 0]
    first, matched = min(found, default=(len(text), ""))
    return text[:first], matched
