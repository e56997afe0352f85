"""A LangChain chat model as a draft or target: its own integration talks to its server.

Nothing here loads LangChain: whoever has such a model has done so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import SecretStr

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Message
from rsd_graph.errors import (
    ContextOverflowError,
    EndpointTimeoutError,
    MalformedResponseError,
    ProviderError,
    Role,
    RSDError,
)
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.http.answers import Count, Shape, decoded, reading
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.http.failures import status_error
from rsd_graph.providers.names import Name
from rsd_graph.providers.wires.chat_api import Reply
from rsd_graph.providers.wires.completions_api import counted

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage
    from langchain_core.runnables import Runnable


E = TypeVar("E", bound=RSDError)


class _CacheDetails(Shape):
    cache_read: Count | None = None


class _Usage(Shape):
    input_tokens: Count
    output_tokens: Count
    input_token_details: _CacheDetails = _CacheDetails()


class _Told(Shape):
    text: str
    usage_metadata: _Usage


class LangChainRoute:
    """The way to a LangChain chat model.

    Args:
        model: The chat model; it keeps the sampling it was made with.
        role: The seat it is used in; named in errors.
    """

    endpoint = None

    def __init__(self, model: BaseChatModel, role: Role | None = None) -> None:
        self.model = model
        # Nobody is called at this address: it makes the errors, and leaves the model's key out.
        told = [key for key in vars(model).values() if isinstance(key, SecretStr)]
        keys = [key for key in told if re.fullmatch("[!-~]+", key.get_secret_value())]
        key = keys[0] if keys else None
        self._address = Endpoint("http://chat-model", role=role, api_key=key)

    def __str__(self) -> str:
        return type(self.model).__name__

    @property
    def public_name(self) -> Name:
        """As its integration names it to LangSmith, whose price list knows it."""
        told = self.model._get_ls_params()
        provider, name = told.get("ls_provider"), told.get("ls_model_name")
        return Name(provider or str(self), name or str(self))

    async def describe(self) -> ServerFacts:
        """Nothing: only its integration knows the server."""
        return ServerFacts()

    def fields(self, request: StepRequest) -> dict[str, object]:
        """The options of one call."""
        return {"max_tokens": request.max_tokens}

    async def ask(self, messages: Sequence[Message], fields: Mapping[str, object]) -> Reply:
        """What it says.

        Raises:
            ProviderError: It failed, or reports no usage.
        """
        message = await self.message(self.model, messages, fields)
        return Reply(str(message.text), is_cut(message), self.spent(message))

    async def message(
        self,
        model: Runnable[Any, Any],
        messages: Sequence[Message],
        fields: Mapping[str, object],
    ) -> Any:
        """What *model*, which this one is or has made, answers.

        Raises:
            ProviderError: It failed.
        """
        try:
            turns = [dict(message) for message in messages]
            return await model.ainvoke(turns, **dict[str, Any](fields))
        except RSDError:
            raise
        except Exception as error:
            failure, cause = self._mapped(error), None if _holds_request(error) else error
        raise failure from cause

    def _mapped(self, error: Exception) -> ProviderError:
        """Every LangChain integration has errors of its own; most carry an HTTP status."""
        words = f"{type(error).__name__}: {error}"
        if ContextOverflowError.__name__ in (kind.__name__ for kind in type(error).__mro__):
            return self.error(ContextOverflowError, words)  # LangChain's own word for it
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            headers = getattr(getattr(error, "response", None), "headers", None)
            told = headers if isinstance(headers, Mapping) else {}
            body = words.encode("utf-8", "replace")
            return self._named(status_error(self._address, status, body, told))
        kind = EndpointTimeoutError if isinstance(error, TimeoutError) else ProviderError
        return self.error(kind, words, hint="The chat model itself failed.")

    def error(self, kind: type[E], words: str, **more: str | None) -> E:
        """An error of *kind* that names the model and its seat, and leaves its key out."""
        return self._named(self._address.error(kind, words, **more))

    def _named(self, error: E) -> E:
        error.endpoint = str(self)
        return error

    def spent(self, message: AIMessage) -> Usage:
        """What a message cost.

        Raises:
            MalformedResponseError: It does not say.
        """
        if message.usage_metadata is None:
            raise self.error(
                MalformedResponseError,
                "the answer has no usage_metadata.",
                expected="token counts, without which neither budgets nor costs hold",
                hint="Some integrations report usage only if told to (stream_usage, for one).",
            )
        told = {"text": str(message.text), "usage_metadata": message.usage_metadata}
        try:
            with reading(self._address):
                counts = decoded(told, _Told, self._address).usage_metadata
        except ProviderError as error:
            raise self._named(error) from None
        cached = counts.input_token_details.cache_read
        return counted(counts.input_tokens, counts.output_tokens, cached)


def _holds_request(error: BaseException | None) -> bool:
    """Whether an HTTP request is in the chain of an error, and in its headers the key."""
    while error is not None and not {"request", "response"} & set(dir(error)):
        error = error.__cause__ or error.__context__
    return error is not None


def is_cut(message: AIMessage) -> bool:
    """Whether the budget ended it: each integration has its own word."""
    metadata = message.response_metadata
    reason = metadata.get("finish_reason") or metadata.get("stop_reason")
    reason = reason or metadata.get("done_reason")
    return str(reason).lower() in ("length", "max_tokens", "max_output_tokens")
