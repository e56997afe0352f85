"""The trace of a streamed answer is one tree, as that of an invoked one is.

LangChain streams from a chat model without telling it which run that is, and what the model starts
would be traced beside that run, or nowhere. Here the run is known before the model is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from langchain_core.callbacks import (
    AsyncCallbackManager,
    AsyncCallbackManagerForLLMRun,
    BaseCallbackManager,
    CallbackManager,
    CallbackManagerForLLMRun,
)
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.utils.uuid import uuid7
from pydantic import PrivateAttr

from rsd_graph.chat_models.naming import Named
from rsd_graph.runtime.run import child_callbacks


class Nesting(Named):
    """LangChain's ways into a chat model; `_above` is the run that the model works for."""

    _above: BaseCallbackManager | None = PrivateAttr(default=None)

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """See LangChain's `stream`: each step the moment it is settled."""
        told, above = _named(config, CallbackManager)
        return BaseChatModel.stream(self._below(above), input, told, stop=stop, **kwargs)

    def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """See LangChain's `astream`: each step the moment it is settled."""
        told, above = _named(config, AsyncCallbackManager)
        return BaseChatModel.astream(self._below(above), input, told, stop=stop, **kwargs)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Where `invoke` streams because a handler wants to see every step."""
        below = self._below(child_callbacks(run_manager))
        return BaseChatModel._generate_with_cache(below, messages, stop, run_manager, **kwargs)

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """See `_generate_with_cache`."""
        below = self._below(child_callbacks(run_manager))
        ask = BaseChatModel._agenerate_with_cache
        return await ask(below, messages, stop, run_manager, **kwargs)

    def _below(self, above: BaseCallbackManager | None) -> Self:
        """This model at work for one run."""
        copy = self.model_copy()
        copy._above = above
        return copy


def _named(
    config: RunnableConfig | None, kind: type[CallbackManager | AsyncCallbackManager]
) -> tuple[RunnableConfig, BaseCallbackManager]:
    """*config* with a run that has its identity already, and the callbacks of what that starts."""
    told = ensure_config(config)
    manager = kind.configure(
        told.get("callbacks"),
        inheritable_tags=told.get("tags"),
        inheritable_metadata=told.get("metadata"),
    )
    run_id = told.get("run_id") or uuid7()
    above = AsyncCallbackManager(handlers=[], parent_run_id=run_id)
    above.set_handlers(manager.inheritable_handlers)
    above.add_tags(manager.inheritable_tags)
    above.add_metadata(manager.inheritable_metadata)
    return {**told, "callbacks": manager, "run_id": run_id}, above
