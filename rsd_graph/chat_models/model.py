"""`ChatRSD`: the RSD graph worn as a LangChain chat model."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
)
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict

from rsd_graph.answer.actions import OPTIONS, Actions, as_tool_choice
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import picked
from rsd_graph.answer.state import RSDInput
from rsd_graph.chat_models.assembly import compiled_graph
from rsd_graph.chat_models.messages import to_conversation, whole_message
from rsd_graph.chat_models.metadata import Answer
from rsd_graph.chat_models.naming import model_name
from rsd_graph.chat_models.nesting import Nesting
from rsd_graph.chat_models.structured import Method, structured_output
from rsd_graph.embedded.scope import notice
from rsd_graph.runtime.listener import AnswerListener, listeners
from rsd_graph.runtime.node import CompiledRSDGraph
from rsd_graph.runtime.run import child_callbacks, settled_steps
from rsd_graph.runtime.sync import iterate_sync, run_sync
from rsd_graph.stacks.config import load_stack, naming_lines
from rsd_graph.stacks.settings import over


class ChatRSD(Nesting):
    """A chat model that answers by Reward-Guided Speculative Decoding.

    Setup:
        `ChatRSD()` runs on the models shipped with the package, which solve stories of three to
        six events about one amount, and nothing else. Point it at your own by naming
        endpoints; keys come from `RSD_API_KEY` or `RSD_<ROLE>_API_KEY`, or `api_key`.

    Instantiate:
        ```python
        llm = ChatRSD(
            draft="vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-Math-1.5B-Instruct",
            target="vllm+http://gpu2:8000/v1#Qwen/Qwen2.5-Math-7B-Instruct",
            prm="qwen-prm+vllm+http://gpu3:8000/v1#Qwen/Qwen2.5-Math-PRM-7B",
            delta=0.7,
        )
        ```

    Invoke, stream:
        `llm.invoke("What is 3 + 4 * 5?")`, on models of yours; `llm.stream(...)` yields each step
        the moment it is settled. RSD never takes a settled step back.

    Token usage:
        `usage_metadata` counts every token of all three models, as their servers counted them.

    Response metadata:
        `response_metadata["rsd"]` holds the per-step trace, the ledger, the acceptance rate, the
        finish reason, the FLOPs in both accountings and, with `prices`, the money; `notice` if the
        shipped models were asked what they cannot know.

    Options:
        Every option can also be given per call, `llm.invoke(q, delta=0.9)`, or by a variable of
        the environment, `RSD_DELTA`; an argument goes before the environment. Name all three
        models or none: a shipped one never stands in beside yours unasked.

    Raises:
        ConfigurationError: An option cannot be used, or the parts do not fit together. It is a
            `ValueError`.
        ProviderError: An endpoint failed; steps already settled are on the exception.
    """

    model_config = ConfigDict(hide_input_in_errors=True)  # it may be a key

    @classmethod
    def from_config(cls, path: str | Path, stack: str | None = None, **options: Any) -> Self:
        """The model a stack in a TOML file describes.

        *options* go before what the environment says (`RSD_DELTA`, …), and that before the file.

        Raises:
            ConfigurationError: No such file, stack or setting; the message names each mistake.
        """
        said = over(load_stack(path, stack), cls._by_name(options))
        with naming_lines(path, stack, options):
            return cls(**said)

    # -- the run ---------------------------------------------------------------------------------

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        """One chunk per settled step; usage, trace and totals once, on the last chunk."""
        tools = [convert_to_openai_tool(tool) for tool in kwargs.get("tools") or ()]
        actions = Actions.chosen({**kwargs, "tools": tools})
        model, _ = self._of_call(kwargs)
        callbacks = child_callbacks(run_manager) or self._above
        turns = to_conversation(messages, thinks=model.thinking is not None)
        question = RSDInput(conversation=turns, seed=model.seed)
        stops = model.stop or [] if stop is None else stop
        answer = Answer(stops, model.step_separator, picked(Limits, model))
        graph = compiled_graph(model, actions)
        listening = [AnswerListener(on_end=answer.book), *listeners(callbacks)]
        run = settled_steps(graph, question, callbacks, listening)
        async with aclosing(run) as laps:
            async for lap in laps:
                for chunk in answer.chunks(lap.steps, lap.ledger, lap.finish_reason):
                    yield chunk
                if answer.is_stopped:
                    break
        asked = question["conversation"][-1]["content"]
        said = notice(asked, model.draft, model.target, model.prm)
        yield answer.last_chunk(model.sizes, model.prices, model_name(model.target), said)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """The stream, joined."""
        chunks = [c async for c in self._astream(messages, stop, run_manager, **kwargs)]
        return ChatResult(generations=[ChatGeneration(message=whole_message(chunks))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """`_agenerate` for sync callers, inside a running event loop too."""
        return run_sync(self._agenerate(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        """`_astream` for sync callers, inside a running event loop too."""
        return iterate_sync(self._astream(messages, stop, run_manager, **kwargs))

    # -- tools and structured output -------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools: draft and target propose actions, the PRM scores them.

        Args:
            tools: Anything LangChain can describe as a tool.
            tool_choice: A tool's name, `"auto"`, `"none"`, `"any"`, `"required"` or `True`.
            strict: Ask the server to hold arguments to the schema.
            **kwargs: Further call options, such as `parallel_tool_calls`.

        Raises:
            ConfigurationError: The chosen tool is not among the tools.
        """
        described = [convert_to_openai_tool(tool, strict=strict) for tool in tools]
        choice = as_tool_choice(tool_choice, described)
        return self.bind(tools=described, tool_choice=choice, **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        include_raw: bool = False,
        method: Method = "json_schema",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model, answering in the form of *schema*.

        Args:
            schema: A Pydantic class, TypedDict, JSON schema or tool; optional for `json_mode`.
            include_raw: Return `{"raw": ..., "parsed": ..., "parsing_error": ...}`.
            method: `"json_schema"` (the server holds the text to the schema), `"function_calling"`,
                or `"json_mode"` (any JSON; say in the prompt what it should hold).
            strict: Passed to the server with the schema.
            **kwargs: Call options to bind, such as `delta`.

        Raises:
            ConfigurationError: An unknown method, or no schema where one is needed.
        """
        return structured_output(
            self, schema, method, strict=strict, include_raw=include_raw, options=kwargs
        )

    # -- the parts -------------------------------------------------------------------------------

    @property
    def graph(self) -> CompiledRSDGraph:
        """The compiled graph this model runs."""
        return compiled_graph(self)

    def _of_call(self, options: dict[str, Any]) -> tuple[Self, dict[str, Any]]:
        """This model with the options of one call, and those that are about actions."""
        actions = {name: value for name, value in options.items() if name in OPTIONS}
        fields = {name: value for name, value in options.items() if name not in OPTIONS}
        return self.with_options(fields), actions

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """The key of LangChain's caches: what decides the answer of one call."""
        model, actions = self._of_call(kwargs if stop is None else {**kwargs, "stop": stop})
        return str(sorted((model._identifying_params | actions).items()))
