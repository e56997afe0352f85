"""Hosted chat models that cannot continue a text: an APPROXIMATION of RSD's step writer.

Current OpenAI and Anthropic models take neither raw completions nor an assistant message to go on
with. Here the steps so far are quoted in a user turn, and the model is asked for exactly the next
one. It therefore writes a step *about* the prefix instead of continuing it: another distribution
than the paper's, whatever the sampling.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pydantic import SecretStr

from rsd_graph.answer.ledger import Usage, timed
from rsd_graph.answer.state import Candidate, Ended, Message
from rsd_graph.errors import EndpointTimeoutError, MalformedResponseError, ProviderError, RSDError
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.answers import Count, Shape, decoded, reading
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.failures import status_error
from rsd_graph.providers.served import Served
from rsd_graph.providers.wires.chat_api import chat
from rsd_graph.providers.wires.completion import cut_at_stop
from rsd_graph.providers.wires.completions_api import counted, openai_sampling

if TYPE_CHECKING:  # whoever has such a model has loaded LangChain
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage

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

_NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


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
        self, chat: BaseChatModel | Endpoint, *, options: Mapping[str, object] = _NO_OPTIONS
    ) -> None:
        self._route = _Hosted(chat) if isinstance(chat, Endpoint) else _InLangChain(chat)
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
        fields = self._route.fields(request) | self._options
        asked = {name: value for name, value in fields.items() if value is not None}
        reply = await self._route.ask(_messages(request), asked)
        text, ended = _read(reply, request.prefix.separator)
        spent = timed(reply.usage, started)
        return Candidate(text=text, ended=ended, logprob=None, usage=spent)


class _Reply(NamedTuple):
    text: str
    is_cut: bool
    usage: Usage


class _Hosted(Served):
    """An OpenAI-compatible endpoint."""

    def __str__(self) -> str:
        return str(self.endpoint)

    def fields(self, request: StepRequest) -> dict[str, object]:
        sampling = openai_sampling(request.sampling)
        return {"max_tokens": request.max_tokens, "seed": request.seed, **sampling}

    async def ask(self, messages: Sequence[Message], fields: Mapping[str, object]) -> _Reply:
        answer = await chat(self._client, {"messages": list(messages), **fields})
        choice = answer.choices[0]
        if choice.message.content is None:
            raise self._client.malformed("the message has no content")
        is_cut = choice.finish_reason == "length"
        return _Reply(choice.message.content, is_cut, answer.usage.spent)


class _CacheDetails(Shape):
    cache_read: Count | None = None


class _Usage(Shape):
    input_tokens: Count
    output_tokens: Count
    input_token_details: _CacheDetails = _CacheDetails()


class _Told(Shape):
    text: str
    usage_metadata: _Usage


class _InLangChain:
    """A LangChain chat model, whose own integration talks to its server."""

    endpoint = None

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model
        # Nobody is called at this address: it makes the errors, and leaves the model's key out.
        told = [key for key in vars(model).values() if isinstance(key, SecretStr)]
        keys = [key for key in told if re.fullmatch("[!-~]+", key.get_secret_value())]
        self._address = Endpoint("http://chat-model", api_key=keys[0] if keys else None)

    def __str__(self) -> str:
        return type(self._model).__name__

    async def describe(self) -> ServerFacts:
        return ServerFacts()

    def fields(self, request: StepRequest) -> dict[str, object]:
        return {"max_tokens": request.max_tokens}

    async def ask(self, messages: Sequence[Message], fields: Mapping[str, object]) -> _Reply:
        try:
            with reading(self._address):
                message = await self._message(messages, fields)
                return _Reply(str(message.text), _is_cut(message), self._spent(message))
        except ProviderError as error:
            error.endpoint = str(self)
            raise

    async def _message(
        self, messages: Sequence[Message], fields: Mapping[str, object]
    ) -> AIMessage:
        from langchain_core.runnables.config import set_config_context

        turns = [dict(message) for message in messages]
        start = asyncio.get_running_loop().create_task
        try:
            # Out of sight of a host's callbacks, which would stream and count rejected steps too.
            with set_config_context({}) as context:
                call = self._model.ainvoke(turns, **dict[str, Any](fields))
                return await start(call, context=context)
        except RSDError:
            raise
        except Exception as error:
            failure, cause = self._mapped(error), None if _holds_request(error) else error
        raise failure from cause

    def _mapped(self, error: Exception) -> ProviderError:
        """Every LangChain integration has errors of its own; most carry an HTTP status."""
        words = f"{type(error).__name__}: {error}"
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            headers = getattr(getattr(error, "response", None), "headers", None)
            told = headers if isinstance(headers, Mapping) else {}
            return status_error(self._address, status, words.encode("utf-8", "replace"), told)
        kind = EndpointTimeoutError if isinstance(error, TimeoutError) else ProviderError
        return self._address.error(kind, words, hint="The chat model itself failed.")

    def _spent(self, message: AIMessage) -> Usage:
        if message.usage_metadata is None:
            raise self._address.error(
                MalformedResponseError,
                "the answer has no usage_metadata.",
                expected="token counts, without which neither budgets nor costs hold",
                hint="Some integrations report usage only if told to (stream_usage, for one).",
            )
        told = {"text": str(message.text), "usage_metadata": message.usage_metadata}
        usage = decoded(told, _Told, self._address).usage_metadata
        cached = usage.input_token_details.cache_read
        return counted(usage.input_tokens, usage.output_tokens, cached)


def _holds_request(error: BaseException | None) -> bool:
    """Whether an HTTP request is in the chain of an error, and in its headers the key."""
    while error is not None and not {"request", "response"} & set(dir(error)):
        error = error.__cause__ or error.__context__
    return error is not None


def _messages(request: StepRequest) -> list[Message]:
    """The conversation, its last turn followed by the steps so far and the instruction."""
    *before, last = request.prefix.conversation
    steps = request.prefix.text.strip() or "(none yet)"
    content = _INSTRUCTION.format(question=last["content"], steps=steps, end=END)
    return [*before, Message(role=last["role"], content=content)]


def _read(reply: _Reply, separator: str) -> tuple[str, Ended]:
    """The first step of the reply; whatever it wrote beyond one step is dropped."""
    words, marker, _ = reply.text.partition(END)
    step, more = cut_at_stop(words.strip(), [separator])
    if more:
        return step, "separator"
    if marker:
        return step, "eos"
    return step, "length" if reply.is_cut else "separator"


def _is_cut(message: AIMessage) -> bool:
    """Whether the budget ended it: each integration has its own word."""
    metadata = message.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    reason = reason or metadata.get("done_reason")
    return str(reason).lower() in ("length", "max_tokens", "max_output_tokens")
