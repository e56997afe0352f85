"""From `ChatRSD`'s chunks to the bodies of OpenAI's chat API. Nothing is counted here."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import UsageMetadata

from rsd_graph.server.requests import ChatRequest

Body = dict[str, object]

_FINISH = {"stop": "stop", "tool_calls": "tool_calls", "repetition": "stop", "blank": "stop"}
"""Why an answer ended, in the few words clients know; every other reason is `length`."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of one of the `n` choices: a settled step, a tool call, the totals, or an event."""

    choice: int
    chunk: AIMessageChunk | None = None
    event: Mapping[str, object] | None = None


@dataclass(slots=True)
class Completion:
    """One answer on its way to a client, streamed or whole.

    `usage` counts every token of all three models, as their servers counted them and as `ChatRSD`
    reports them: it is what is paid for. Of the draft's tokens those that are in the answer are
    `accepted_prediction_tokens`, the others `rejected_prediction_tokens`.
    """

    request: ChatRequest
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))
    _usage: list[UsageMetadata] = field(default_factory=list)
    _details: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    _events: dict[int, list[Mapping[str, object]]] = field(default_factory=dict)

    # -- a stream --------------------------------------------------------------------------------

    def opening(self) -> Iterator[Body]:
        """The first chunk of every choice."""
        for choice in range(self.request.n):
            yield self._chunk(choice, {"role": "assistant", "content": ""})

    def chunks(self, piece: Piece) -> Iterator[Body]:
        """The chunks of one piece."""
        if piece.event is not None:
            yield {
                **self._frame("chat.completion.chunk"),
                "choices": [],
                "rsd": {"event": piece.event},
            }
        if (chunk := piece.chunk) is None:
            return
        if thought := _reasoning(chunk):
            yield self._chunk(piece.choice, thought)
        if chunk.text:
            yield self._chunk(piece.choice, {"content": chunk.text})
        if chunk.tool_call_chunks:
            yield self._chunk(piece.choice, {"tool_calls": _calls(chunk, streamed=True)})
        if chunk.response_metadata:
            self._note(piece.choice, chunk)
            yield self._chunk(piece.choice, {}, finish=self._finish(piece.choice))

    def closing(self) -> Iterator[Body]:
        """The chunk of usage, where it was asked for."""
        if self.request.includes_usage:
            yield {**self._frame("chat.completion.chunk"), "choices": [], "usage": self.usage}

    def cut_short(self) -> Iterator[Body]:
        """The last chunk of every choice that had to end before its time."""
        for choice in set(range(self.request.n)) - set(self._details):
            yield self._chunk(choice, {}, finish="length")

    def _chunk(self, choice: int, delta: Body, finish: str | None = None) -> Body:
        body = self._frame("chat.completion.chunk")
        body["choices"] = [
            {"index": choice, "delta": delta, "logprobs": None, "finish_reason": finish}
        ]
        if self.request.includes_usage:
            body["usage"] = None
        if choice in self._details and (extras := self._extras(choice)):
            body["rsd"] = extras
        return body

    # -- a whole answer --------------------------------------------------------------------------

    def heard(self, choice: int, event: Mapping[str, object]) -> None:
        """Keep an event for the body."""
        self._events.setdefault(choice, []).append(event)

    def whole(self, messages: Sequence[AIMessageChunk]) -> Body:
        """The body of an answer that is not streamed, one message a choice."""
        choices = []
        for choice, message in enumerate(messages):
            self._note(choice, message)
            said: Body = {"role": "assistant", "content": message.text or None, "refusal": None}
            said |= _reasoning(message)
            if message.tool_call_chunks:
                said["tool_calls"] = _calls(message, streamed=False)
            finish = self._finish(choice)
            told = {"index": choice, "message": said, "logprobs": None, "finish_reason": finish}
            choices.append(told)
        body = {**self._frame("chat.completion"), "choices": choices, "usage": self.usage}
        if extras := self._extras(0):
            body["rsd"] = (
                extras if len(messages) == 1 else [*map(self._extras, range(len(messages)))]
            )
        return body

    # -- both ------------------------------------------------------------------------------------

    @property
    def usage(self) -> Body:
        """All tokens of all choices."""
        details = [usage.get("output_token_details", {}) for usage in self._usage]
        read = sum(usage["input_tokens"] for usage in self._usage)
        written = sum(usage["output_tokens"] for usage in self._usage)
        cached = sum(
            usage.get("input_token_details", {}).get("cache_read", 0) for usage in self._usage
        )
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {
                "accepted_prediction_tokens": sum(_count(item, "draft") for item in details),
                "rejected_prediction_tokens": sum(
                    _count(item, "draft_discarded") for item in details
                ),
                "reasoning_tokens": sum(_count(item, "reasoning") for item in details),
            },
        }

    @property
    def headers(self) -> dict[str, str]:
        """Cheap facts for whoever reads headers, of the first choice."""
        told = self._details.get(0, {})
        facts = {
            "x-rsd-acceptance-rate": told.get("acceptance_rate"),
            "x-rsd-target-tokens": told.get("ledger", {})
            .get("target", {})
            .get("completion_tokens"),
            "x-rsd-cost": told.get("cost"),
        }
        return {name: str(value) for name, value in facts.items() if value is not None}

    def _note(self, choice: int, message: AIMessageChunk) -> None:
        self._details[choice] = message.response_metadata["rsd"]
        if message.usage_metadata:
            self._usage.append(message.usage_metadata)

    def _finish(self, choice: int) -> str:
        return _FINISH.get(self._details[choice]["finish_reason"] or "stop", "length")

    def _extras(self, choice: int) -> Body:
        """What the request's `rsd.include` asked for."""
        asked, told = self.request.rsd.include, self._details[choice]
        extras: Body = {"ledger": told["ledger"]} if "ledger" in asked else {}
        if "trace" in asked:
            extras |= {name: value for name, value in told.items() if name != "ledger"}
        if choice in self._events:
            extras["events"] = self._events[choice]
        return extras

    def _frame(self, kind: str) -> Body:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.request.model,
            "system_fingerprint": None,
        }


def _reasoning(message: AIMessageChunk) -> Body:
    """What was thought, by vLLM's name and by DeepSeek's: each client reads one of them."""
    thought = message.additional_kwargs.get("reasoning_content")
    return {"reasoning": thought, "reasoning_content": thought} if thought else {}


def _count(details: Mapping[str, Any], name: str) -> int:
    return int(details.get(name, 0))


def _calls(chunk: AIMessageChunk, *, streamed: bool) -> list[Body]:
    """Tool calls in OpenAI's words; only a stream's have an index."""
    calls = []
    for piece in chunk.tool_call_chunks:
        function = {"name": piece["name"], "arguments": piece["args"] or ""}
        call: Body = {"id": piece["id"], "type": "function", "function": function}
        calls.append({"index": piece["index"], **call} if streamed else call)
    return calls
