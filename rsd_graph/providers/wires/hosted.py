"""A hosted model that continues text: rendering, stopping and blank steps, whatever the server.

`HostedModel` turns any wire into a `StepModel`: the chat template is rendered once per
conversation, then plain text is continued.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from rsd_graph.answer.books import kept_on_error, spent_before
from rsd_graph.answer.ledger import Usage, add_usage, timed, usage
from rsd_graph.answer.recent import Recent
from rsd_graph.answer.state import Candidate, Message
from rsd_graph.errors import CapabilityError, ContextOverflowError
from rsd_graph.providers.base import Prefix, StepRequest
from rsd_graph.providers.http.answers import reading
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, CompletionWire
from rsd_graph.providers.wires.thinking import Thinker

_RIVALS = 5
"""Likeliest tokens asked for at each place: what OpenAI and TGI give at most."""


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
