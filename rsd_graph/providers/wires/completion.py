"""A hosted model that continues text: rendering, stopping and blank steps, whatever the server.

A *wire* speaks one server's protocol and knows how that server says "your separator matched".
`HostedModel` turns any wire into a `StepModel`: the chat template is rendered once per
conversation, then plain text is continued.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Protocol

from rsd_graph.answer.books import kept_on_error, spent_before
from rsd_graph.answer.ledger import Usage, add_usage, timed, usage
from rsd_graph.answer.recent import Recent
from rsd_graph.answer.state import Candidate, Certainty, Ended, Message
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.base import Prefix, Sampling, StepRequest
from rsd_graph.providers.http.answers import reading
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.thinking import Thinker

_RIVALS = 5
"""Likeliest tokens asked for at each place: what OpenAI and TGI give at most."""


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


class HostedModel:
    """A `StepModel` over any wire; `endpoint` and `wire` are public for those who need them.

    Args:
        wire: The server's protocol.
        logprobs: Ask for the log-probabilities of tokens and of the likeliest in their places; off
            by default because servers charge for it. In an endpoint string: `?logprobs=on`.
        think: The marker that opens the model's thinking, such as `<think>`; by default it is found
            in the model's chat template. In an endpoint string: `?think=<think>`.
    """

    _REMEMBERED_PROMPTS = 4096

    def __init__(
        self, wire: CompletionWire, *, logprobs: bool = False, think: str | None = None
    ) -> None:
        self.wire = wire
        self.thinker = Thinker(wire, think)
        self._logprobs = _RIVALS if logprobs else None
        self._prompts: Recent[str, str] = Recent(self._REMEMBERED_PROMPTS)

    @property
    def endpoint(self) -> Endpoint:
        """Where the model is served."""
        return self.wire.endpoint

    def __repr__(self) -> str:
        """Protocol and address, never the key."""
        return f"{type(self).__name__}({type(self.wire).__name__}({self.endpoint}))"

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`. A full context is an outcome (`"context"`), not an error."""
        started = time.perf_counter()
        phase = request.prefix.phase
        try:
            if phase is None:
                completion = await self._write(await self.request_for(request))
            else:
                completion, phase = await self.thinker.write(self, request)
        except ContextOverflowError as error:
            spent = add_usage(usage(cached_tokens=0), spent_before(error))
            completion = Completion("", "context", spent)
        written = Candidate(
            text=completion.text,
            ended=completion.ended,
            logprob=completion.logprob,
            usage=timed(completion.usage, started),
        )
        if certainty := completion.certainty:
            written["certainty"] = certainty
        if phase is not None:
            written["phase"] = phase
        return written

    async def request_for(self, request: StepRequest) -> CompletionRequest:
        """The wire's request for one step."""
        return CompletionRequest(
            prompt=await self.prompt(request.prefix),
            max_tokens=request.max_tokens,
            stop=(request.prefix.separator,),
            sampling=request.sampling,
            seed=request.seed,
            logprobs=self._logprobs,
        )

    async def _write(self, request: CompletionRequest) -> Completion:
        """One step; a model that opens with the separator is asked once more, past it."""
        first = await self.complete(request)
        if first.ended != "separator" or first.text.strip():
            return first
        again = replace(request, prompt=request.prompt + request.stop[0])
        with kept_on_error([first.usage]):
            second = await self.complete(again)
        return replace(second, usage=add_usage(first.usage, second.usage))

    async def complete(self, request: CompletionRequest) -> Completion:
        """The wire's completion. What a wire trips over in an answer is its server's fault."""
        with reading(self.endpoint):
            return await self.wire.complete(request)

    async def prompt(self, prefix: Prefix) -> str:
        """The rendered conversation followed by the answer so far, exactly."""
        return await self.thinker.prompt(await self.render(prefix.conversation), prefix)

    def without_thinking(self) -> HostedModel:
        """The same model, kept from thinking: its prompts close the thinking before it begins."""
        quiet = copy(self)
        quiet.thinker = self.thinker.silenced()
        return quiet

    async def render(self, conversation: Sequence[Message]) -> str:
        """The conversation in the model's chat template, rendered once and remembered."""
        key = json.dumps(conversation)
        if key not in self._prompts:
            with reading(self.endpoint):
                self._prompts[key] = await self.wire.render(conversation)
        return self._prompts[key]

    async def log_probability(
        self, prefix: Prefix, text: str, followed_by: str = ""
    ) -> tuple[float, Usage]:
        """See `TextScorer`.

        Raises:
            CapabilityError: This server cannot report the probability of given text.
        """
        score = getattr(self.wire, "log_probability", None)
        if score is None:
            raise self.endpoint.error(
                CapabilityError,
                "this server cannot report the probability of given text.",
                expected="a server that can, such as vLLM or llama.cpp",
                hint="Use a reward-based acceptance criterion with this server.",
            )
        prompt = await self.prompt(prefix)
        with reading(self.endpoint):
            result: tuple[float, Usage] = await score(prompt, text, followed_by)
        return result
