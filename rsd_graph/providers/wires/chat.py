"""Hosted chat models that cannot continue a text: an APPROXIMATION of RSD's step writer.

Current OpenAI and Anthropic models take neither raw completions nor an assistant message to go on
with. Here the steps so far are quoted in a user turn, and the model is asked for exactly the next
one. It therefore writes a step *about* the prefix instead of continuing it: another distribution
than the paper's, whatever the sampling.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables.config import set_config_context

from rsd_graph.answer.ledger import Usage, timed, usage
from rsd_graph.answer.state import Candidate, Ended, Message
from rsd_graph.errors import EndpointTimeoutError, MalformedResponseError, ProviderError, RSDError
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.facts import ServerFacts, listed_models
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.failures import status_error
from rsd_graph.providers.wires.completion import cut_at_stop
from rsd_graph.providers.wires.completions_api import named, openai_sampling, read_usage

END = "<END>"
"""What the model is asked to write after its last step."""

_INSTRUCTION = """\
{question}

Solve this step by step, one step per message. A step is one short paragraph without blank lines.
The steps so far:
<steps>
{steps}
</steps>
Write exactly the next step and nothing else: no heading, no repetition, no comment. If that step \
completes the answer, write {end} right after it."""

_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


class ChatStepModel:
    """A `StepModel` on a chat model: "continue from here", an approximation (see the module).

    Args:
        chat: A LangChain chat model, or the `Endpoint` of an OpenAI-compatible
            `/v1/chat/completions`. A LangChain model keeps the sampling it was made with; an
            endpoint is sent the run's.
        options: Further fields of each request; they win over ours, and `None` leaves a field out:
            `{"max_tokens": None, "max_completion_tokens": 512, "temperature": None}`.
    """

    approximation: ClassVar[str] = "continue-from-here"
    """Named in traces: this model does not continue the prefix itself."""

    def __init__(
        self, chat: BaseChatModel | Endpoint, *, options: Mapping[str, Any] = _NO_OPTIONS
    ) -> None:
        self._route: _Route = (
            _EndpointRoute(chat) if isinstance(chat, Endpoint) else _LangChainRoute(chat)
        )
        self._options = dict(options)

    def __repr__(self) -> str:
        """What it talks to, never the key."""
        return f"{type(self).__name__}({self._route})"

    @property
    def endpoint(self) -> Endpoint | None:
        """Where the model is served; `None` for a LangChain model, which knows that itself."""
        return self._route.endpoint

    async def describe(self) -> ServerFacts:
        """See `Described.describe`."""
        return await self._route.describe()

    async def write_step(self, request: StepRequest) -> Candidate:
        """Ask for the next step. The tokens of quoted steps are prompt tokens, billed each time."""
        started = time.perf_counter()
        reply = await self._route.ask(_messages(request), request, self._options)
        text, ended = _read(reply, request.prefix.separator)
        spent = timed(reply.usage, started)
        return Candidate(text=text, ended=ended, logprob=None, usage=spent)


class _Reply(NamedTuple):
    text: str
    cut: bool
    usage: Usage


class _Route(Protocol):
    @property
    def endpoint(self) -> Endpoint | None: ...

    async def describe(self) -> ServerFacts: ...

    async def ask(
        self, messages: Sequence[Message], request: StepRequest, options: Mapping[str, Any]
    ) -> _Reply: ...


class _EndpointRoute:
    def __init__(self, endpoint: Endpoint) -> None:
        self._client = Client(endpoint)

    def __str__(self) -> str:
        return str(self._client.endpoint)

    @property
    def endpoint(self) -> Endpoint:
        return self._client.endpoint

    async def describe(self) -> ServerFacts:
        return await listed_models(self._client)

    async def ask(
        self, messages: Sequence[Message], request: StepRequest, options: Mapping[str, Any]
    ) -> _Reply:
        fields = {
            "messages": list(messages),
            "max_tokens": request.max_tokens,
            "seed": request.seed,
            **openai_sampling(request.sampling),
        }
        body = named(self._client.endpoint, _merged(fields, options))
        answer = await self._client.post("/v1/chat/completions", body)
        with self._client.reading():
            choice = answer["choices"][0]
            text = "" + choice["message"]["content"]
            return _Reply(text, choice["finish_reason"] == "length", read_usage(answer["usage"]))


class _LangChainRoute:
    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    def __str__(self) -> str:
        return type(self._model).__name__

    endpoint = None

    async def describe(self) -> ServerFacts:
        return ServerFacts()

    async def ask(
        self, messages: Sequence[Message], request: StepRequest, options: Mapping[str, Any]
    ) -> _Reply:
        fields = _merged({"max_tokens": request.max_tokens}, options)
        turns = [dict(message) for message in messages]
        start = asyncio.get_running_loop().create_task
        try:
            # Out of sight of a host's callbacks, which would stream and count rejected steps too.
            with set_config_context({}) as context:
                message = await start(self._model.ainvoke(turns, **fields), context=context)
        except RSDError:
            raise
        except Exception as error:
            raise self._mapped(error) from error
        return _Reply(message.text, _is_cut(message), self._usage(message))

    def _mapped(self, error: Exception) -> ProviderError:
        """Every LangChain integration has errors of its own; most carry an HTTP status."""
        words = f"{type(error).__name__}: {error}"[:300]
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            headers = getattr(getattr(error, "response", None), "headers", {})
            mapped = status_error(Endpoint("http://chat-model"), status, words, headers)
            mapped.endpoint = str(self)
            return mapped
        kind = EndpointTimeoutError if isinstance(error, TimeoutError) else ProviderError
        return kind(words, endpoint=str(self), hint="The chat model itself failed.")

    def _usage(self, message: AIMessage) -> Usage:
        reported = message.usage_metadata
        if reported is None:
            raise MalformedResponseError(
                "the answer has no usage_metadata.",
                endpoint=str(self),
                expected="token counts, without which neither budgets nor costs hold",
                hint="Some integrations report usage only if told to (stream_usage, for one).",
            )
        return usage(
            prompt_tokens=reported["input_tokens"],
            completion_tokens=reported["output_tokens"],
            cached_tokens=reported.get("input_token_details", {}).get("cache_read"),
        )


def _messages(request: StepRequest) -> list[Message]:
    """The conversation, its last turn followed by the steps so far and the instruction."""
    *before, last = request.prefix.conversation
    steps = request.prefix.text.strip() or "(none yet)"
    content = _INSTRUCTION.format(question=last["content"], steps=steps, end=END)
    return [*before, Message(role=last["role"], content=content)]


def _merged(fields: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**fields, **options}.items() if value is not None}


def _read(reply: _Reply, separator: str) -> tuple[str, Ended]:
    """The first step of the reply; whatever it wrote beyond one step is dropped."""
    words, marker, _ = reply.text.partition(END)
    step, more = cut_at_stop(words.strip(), [separator])
    if more:
        return step, "separator"
    if marker:
        return step, "eos"
    return step, "length" if reply.cut else "separator"


def _is_cut(message: AIMessage) -> bool:
    """Whether the budget ended it: each integration has its own word."""
    metadata = message.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    reason = reason or metadata.get("done_reason")
    return str(reason).lower() in ("length", "max_tokens", "max_output_tokens")
