"""Between LangChain's messages and the plain conversation the graph runs on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    ToolCallChunk,
    ToolMessage,
    message_chunk_to_message,
)
from langchain_core.messages.tool import invalid_tool_call, tool_call
from langchain_core.outputs import ChatGenerationChunk

from rsd_graph.answer.state import FunctionCall, Message, ToolCall
from rsd_graph.errors import InputError

_THOUGHT = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL)
"""What chat programs put before an answer that they send back as history."""

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


def to_conversation(messages: Iterable[BaseMessage], *, thinks: bool = False) -> list[Message]:
    """The messages as role and text, with the tool calls among them.

    If the assistant *thinks*, what it thought is left out, but in a loop of tools that is still
    going on: several templates want it there.

    Raises:
        InputError: A message type or content that a text model cannot be given.
    """
    said = list(messages)
    turns = [_turn(message) for message in said]
    return _without_thoughts(turns, said) if thinks else turns


def _without_thoughts(turns: list[Message], said: Sequence[BaseMessage]) -> list[Message]:
    for turn in turns:
        if turn["role"] == "assistant":
            turn["content"] = _THOUGHT.sub("", turn["content"])
    asked = max((i for i, turn in enumerate(turns) if turn["role"] == "user"), default=-1)
    for turn, message in list(zip(turns, said, strict=True))[asked + 1 :]:
        if turn.get("tool_calls") and (thought := _reasoning(message)):
            turn["reasoning_content"] = thought
    return turns


def _reasoning(message: BaseMessage) -> str:
    """What an assistant thought, by the name any integration gives it."""
    blocks = message.content_blocks
    return "".join(str(b.get("reasoning", "")) for b in blocks if b["type"] == "reasoning")


def _turn(message: BaseMessage) -> Message:
    turn = Message(role=_role(message), content=_text(message))
    if isinstance(message, AIMessage) and message.tool_calls:
        turn["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    if isinstance(message, ToolMessage):
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _tool_call(call: Mapping[str, Any]) -> ToolCall:
    function = FunctionCall(name=call["name"], arguments=json.dumps(call["args"]))
    return ToolCall(id=call["id"] or "", type="function", function=function)


def _role(message: BaseMessage) -> str:
    role = getattr(message, "role", None) or _ROLES.get(message.type.removesuffix("Chunk"))
    if role is None:
        role = _ROLES.get(message.type.removesuffix("MessageChunk").lower())
    if role is None:
        raise InputError(
            f"messages of type {message.type!r} cannot be sent.",
            expected="system, human, ai, tool or chat messages",
        )
    return str(role)


def _text(message: BaseMessage) -> str:
    if isinstance(message.content, str):
        return message.content
    if isinstance(message, AIMessage):
        return message.text  # its tool calls stand in a field of their own
    return "".join(_block_text(block) for block in message.content)


def _block_text(block: str | dict[Any, Any]) -> str:
    if isinstance(block, str):
        return block
    if block.get("type") == "text":
        return str(block["text"])
    raise InputError(
        f"content of type {block.get('type')!r} cannot be sent.",
        expected="text",
        hint="RSD scores text steps; leave images, audio and files out.",
    )


def whole_message(chunks: Sequence[ChatGenerationChunk]) -> BaseMessage:
    """The message the chunks add up to.

    LangChain mends half-written arguments while chunks are added up; in a whole message, arguments
    that are not JSON belong among the invalid calls.
    """
    chunk = sum(chunks[1:], chunks[0]).message
    message = message_chunk_to_message(chunk)
    if isinstance(chunk, AIMessageChunk) and isinstance(message, AIMessage):
        calls = [_read_call(piece) for piece in chunk.tool_call_chunks]
        message.tool_calls = [call for call in calls if call["type"] == "tool_call"]
        message.invalid_tool_calls = [call for call in calls if call["type"] != "tool_call"]
    return message


def _read_call(piece: ToolCallChunk) -> Any:
    name, arguments, call_id = piece["name"] or "", piece["args"] or "{}", piece["id"]
    try:
        return tool_call(name=name, args=json.loads(arguments), id=call_id)
    except ValueError as error:
        return invalid_tool_call(name=name, args=arguments, id=call_id, error=str(error))


class StopFilter:
    """Ends a stream of text at the first of the user's stop strings, wherever chunks divide it.

    These are not step separators: they apply to the joined text of the answer.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = [s for s in stop if s]
        self._held = ""
        self.stopped = False

    def feed(self, text: str) -> str:
        """What may be shown now; text that could be the start of a stop string is held back."""
        if self.stopped:
            return ""
        self._held += text
        found = [at for s in self._stop if (at := self._held.find(s)) >= 0]
        if found:
            self.stopped = True
            return self._release(min(found), drop=True)
        return self._release(len(self._held) - self._partial())

    def flush(self) -> str:
        """Whatever was held back, once nothing more follows."""
        return self._release(len(self._held))

    def _release(self, end: int, *, drop: bool = False) -> str:
        shown, self._held = self._held[:end], "" if drop else self._held[end:]
        return shown

    def _partial(self) -> int:
        """Length of the longest tail that begins a stop string."""
        lengths = (n for s in self._stop for n in range(1, len(s)) if self._held.endswith(s[:n]))
        return max(lengths, default=0)
