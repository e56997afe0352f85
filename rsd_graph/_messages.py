"""Between LangChain's messages and the plain conversation the graph runs on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from rsd_graph.errors import InputError
from rsd_graph.state import Message

_ROLES = {"system": "system", "human": "user", "ai": "assistant", "tool": "tool"}


def to_conversation(messages: Iterable[BaseMessage]) -> list[Message]:
    """The messages as role and text.

    Raises:
        InputError: A message type or content that a text model cannot be given.
    """
    return [Message(role=_role(message), content=_text(message)) for message in messages]


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
    content = message.content
    return content if isinstance(content, str) else "".join(_block_text(b) for b in content)


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
