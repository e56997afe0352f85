"""Any server with OpenAI's `/v1/completions`: a LiteLLM proxy, a gateway, what has no wire here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from rsd_graph.answer.state import Ended, Message
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, cut_at_stop
from rsd_graph.providers.wires.completions_api import (
    named,
    openai_sampling,
    read_usage,
    reported_tokens,
)
from rsd_graph.providers.wires.ends import Ends, ask_again, cannot_tell, checked
from rsd_graph.providers.wires.local_template import LocalTemplate
from rsd_graph.providers.wires.templates import ChatTemplate

_EXTRA: Mapping[str, Any] = MappingProxyType(
    {"include_stop_str_in_output": True, "add_special_tokens": False}
)


class OpenAICompatibleWire:
    """`POST /v1/completions` of a server nobody told us more about.

    How a text ended is believed from, in this order: the separator in the text itself, a
    `matched_stop` (SGLang) or `stop_reason` (vLLM) beside `finish_reason`. A bare "stop" is
    ambiguous and refused, or guessed with `ends="ask-again"`.

    Args:
        endpoint: Where.
        template: Renders a conversation; there is no common route for it.
        ends: What to do where the separator and the end of the answer look the same.
        extra: Fields beyond OpenAI's. By default the separator is asked for in the text and a
            second BOS forbidden, in vLLM's words; servers that do not know these ignore them. Pass
            `{}` for one that refuses unknown fields.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        template: ChatTemplate | None = None,
        ends: Ends = "refuse",
        extra: Mapping[str, Any] = _EXTRA,
    ) -> None:
        self._client = Client(endpoint)
        self._template = LocalTemplate(endpoint, template, self._answer)
        self._ends = checked(ends)
        self._extra = dict(extra)

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return replace(await listed_models(self._client), bos=self._template.bos)

    async def render(self, conversation: Sequence[Message]) -> str:
        """The conversation by the caller's template.

        Raises:
            CapabilityError: There is no template.
        """
        return await self._template.render(conversation)

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue the prompt.

        Raises:
            CapabilityError: The server did not say how the text ended, and guessing is not allowed.
        """
        completion, certain = await self._ask(request)
        if certain:
            return completion
        if self._ends == "refuse":
            raise cannot_tell(self.endpoint)
        return await ask_again(self._answer, request, completion)

    async def _answer(self, request: CompletionRequest) -> Completion:
        completion, _ = await self._ask(request)
        return completion

    async def _ask(self, request: CompletionRequest) -> tuple[Completion, bool]:
        """One exchange, and whether it is certain how the text ended."""
        answer = await self._client.post("/v1/completions", self._body(request))
        with self._client.reading():
            choice = answer["choices"][0]
            text, found = cut_at_stop(choice["text"], request.stop)
            ended = "separator" if found else self._ended(choice, request.stop)
            spent = read_usage(answer["usage"])
            completion = Completion(text, ended or "eos", spent, reported_tokens(choice))
            return completion, ended is not None

    def _ended(self, choice: Mapping[str, Any], stop: Sequence[str]) -> Ended | None:
        """How the text ended, `None` if the server does not tell.

        `stop_reason` is null at the primary EOS and an id at another (vLLM 0.33.0,
        v1/core/sched/utils.py:98-140); `matched_stop` is an id at any (SGLang 0.5.23,
        managers/schedule_batch.py:1856-2043).
        """
        match choice:
            case {"finish_reason": "length"}:
                return "length"
            case {"finish_reason": "stop"} if not stop:
                return "eos"
            case {"finish_reason": "stop", "matched_stop": int()}:
                return "eos"
            case {"finish_reason": "stop", "stop_reason": int() | None}:
                return "eos"
            case {"finish_reason": "stop", "matched_stop": str(s)} if s in stop:
                return "separator"
            case {"finish_reason": "stop", "stop_reason": str(s)} if s in stop:
                return "separator"
            case {"finish_reason": "stop"}:
                return None
        raise self._client.malformed(f"finish_reason {choice.get('finish_reason')!r}")

    def _body(self, request: CompletionRequest) -> dict[str, Any]:
        """OpenAI's fields in full, others only where they are not neutral."""
        body: dict[str, Any] = {
            "prompt": request.prompt,
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            **openai_sampling(request.sampling),
            **_beyond_openai(request.sampling),
            **self._extra,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        if request.logprobs is not None:
            body["logprobs"] = request.logprobs
        return named(self.endpoint, body)


def _beyond_openai(sampling: Sampling) -> dict[str, float]:
    fields = {
        "top_k": (sampling.top_k, 0),
        "min_p": (sampling.min_p, 0.0),
        "repetition_penalty": (sampling.repetition_penalty, 1.0),
    }
    return {name: value for name, (value, neutral) in fields.items() if value != neutral}
