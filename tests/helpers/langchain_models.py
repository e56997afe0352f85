"""LangChain chat models for tests, with tools and usage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import Field

COUNTS = {"input_tokens": 20, "output_tokens": 5, "total_tokens": 25}


def says(text: str = "", *calls: dict[str, Any]) -> AIMessage:
    """A message with usage; each call is `add` with these arguments."""
    named = [
        {"name": "add", "args": args, "id": f"call_{number}", "type": "tool_call"}
        for number, args in enumerate(calls)
    ]
    return AIMessage(text, tool_calls=named, usage_metadata=COUNTS)


class Speaker(BaseChatModel):
    """A LangChain model with tools that says these messages, and remembers what it was told."""

    script: list[AIMessage]
    heard: list[list[BaseMessage]] = Field(default_factory=list)
    told: list[dict[str, Any]] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "speaker"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools], **kwargs)

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self.heard.append(messages)
        self.told.append(kwargs)
        return ChatResult(generations=[ChatGeneration(message=self.script.pop(0))])
