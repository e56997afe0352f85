"""What `/v1/chat/completions` answers, and how it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, NamedTuple

from pydantic import Field, JsonValue

from rsd_graph.answer.ledger import Usage
from rsd_graph.providers.http.answers import ListOf, Shape
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.wires.completions_api import ReportedUsage, named


class CalledFunction(Shape):
    """A tool's name and arguments; some servers send these as an object instead of a text."""

    name: str
    arguments: str | dict[str, JsonValue] | None


class CalledTool(Shape):
    """A call of a tool; some servers leave the id out."""

    id: str | None = None
    function: CalledFunction


class ChatMessage(Shape):
    """What the assistant says, calls, or both.

    What it thought is `reasoning` for vLLM 0.33, `reasoning_content` for llama.cpp and older ones.
    """

    content: str | None = None
    tool_calls: ListOf[CalledTool] | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None

    @property
    def thought(self) -> str:
        """What the server tells apart as thinking."""
        return self.reasoning or self.reasoning_content or ""


class ChatChoice(Shape):
    """A message, and why it ended."""

    message: ChatMessage
    finish_reason: str | None


class ChatAnswer(Shape):
    """The whole of it."""

    choices: Annotated[ListOf[ChatChoice], Field(min_length=1)]
    usage: ReportedUsage


NOT_THINKING: Mapping[str, object] = MappingProxyType(
    {"chat_template_kwargs": {"enable_thinking": False}}
)
"""What keeps a hybrid model from thinking, as vLLM, SGLang and llama.cpp pass it to its template.
A template that does not know it ignores it."""


class Reply(NamedTuple):
    """A message as text.

    Attributes:
        text: What it says.
        is_cut: Whether its token budget ended it.
        usage: What it cost.
    """

    text: str
    is_cut: bool
    usage: Usage


async def chat(client: Client, body: Mapping[str, object]) -> ChatAnswer:
    """Ask the endpoint's model for a message."""
    return await client.post("/v1/chat/completions", named(client.endpoint, dict(body)), ChatAnswer)
