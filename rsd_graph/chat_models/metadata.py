"""What an answer says about itself: LangChain's usage, and our trace, ledger, FLOPs and money."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from langchain_core.messages import AIMessageChunk, ToolCallChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk

from rsd_graph.answer.flops import PerRole, flops
from rsd_graph.answer.ledger import Ledger, acceptance_rate, empty_ledger
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.prices import Prices, costs
from rsd_graph.answer.state import Step, ToolCall
from rsd_graph.answer.steps import phase_of
from rsd_graph.answer.thinking import thinking_tokens
from rsd_graph.chat_models.messages import StopFilter


class Answer:
    """An answer on its way to LangChain: settled steps in, chunks out.

    Text goes out as it is settled, metadata waits for the last chunk: LangChain's two ways to join
    chunks disagree on metadata that stands on several of them.

    Args:
        stop: Strings that end the answer.
        separator: Stands between steps.
        limits: What may have closed its thinking.
    """

    def __init__(self, stop: Sequence[str], separator: str, limits: Limits) -> None:
        self._text = StopFilter(stop)
        self._separator = separator
        self._limits = limits
        self._gap = self._thought_gap = ""
        self._steps: list[Step] = []
        self._ledger = empty_ledger()
        self._finish_reason: str | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has ended the answer: nothing that follows would be shown."""
        return self._text.stopped

    def chunks(
        self, steps: Sequence[Step], ledger: Ledger, finish_reason: str | None
    ) -> Iterator[ChatGenerationChunk]:
        """One chunk for each settled step, and one for each tool call it makes."""
        self._ledger, self._finish_reason = ledger, finish_reason
        for step in steps:
            self._steps.append(step)
            if thought := self._thought(step):
                yield _chunk("", additional_kwargs={"reasoning_content": thought})
            if phase_of(step) == "thinking":
                continue
            yield _chunk(self._text.feed(self._gap + step["text"]))
            self._gap = self._separator if step["ended"] == "separator" else ""
            if self.is_stopped:
                self._finish_reason = "stop"
            elif calls := step.get("tool_calls"):
                self._finish_reason = "tool_calls"
                for index, call in enumerate(calls):
                    yield _chunk("", tool_call_chunks=[_tool_call_chunk(call, index)])

    def _thought(self, step: Step) -> str:
        """What *step* adds to the reasoning: all of a thinking step, or what an action says of it.

        Stop strings do not apply: they end the answer.
        """
        if phase_of(step) == "answer":
            return step.get("reasoning", "")
        gap, self._thought_gap = self._thought_gap, self._separator
        if step["ended"] != "separator":
            self._thought_gap = ""
        return gap + step["text"]

    def book(self, ledger: Ledger) -> None:
        """All the run has spent: after a stop string, what was under way has been cancelled."""
        self._ledger = ledger

    @property
    def _thought_tokens(self) -> int:
        return sum(thinking_tokens(self._steps).values())

    @property
    def _thinking(self) -> dict[str, object]:
        """How much was thought, by whom, and how that ended: closed, or forced by the limits."""
        thoughts = [step for step in self._steps if phase_of(step) == "thinking"]
        return {
            "steps": len(thoughts),
            "tokens": self._thought_tokens,
            **{f"{role}_tokens": count for role, count in thinking_tokens(self._steps).items()},
            "finish": self._limits.finish_of_thinking(self._steps),
        }

    def last_chunk(
        self,
        parameters: PerRole | None,
        prices: Prices | None,
        model_name: str,
        notice: str | None = None,
    ) -> ChatGenerationChunk:
        """What only the end can say: why it ended, the trace, and all totals.

        Args:
            parameters: Parameter counts, if known; without them `flops` is `None`.
            prices: The price list, if there is one; without it `cost` is `None`.
            model_name: The target, by name.
            notice: What to know before trusting the answer, if there is anything.
        """
        rsd: dict[str, Any] = {
            "steps": [dict(step) for step in self._steps],
            "ledger": dict(self._ledger),
            "acceptance_rate": acceptance_rate(self._ledger),
            "finish_reason": self._finish_reason,
            "flops": flops(self._ledger, parameters) if parameters else None,
            **costs(self._ledger, prices),
            **({"thinking": self._thinking} if self._thought_tokens else {}),
            **({"notice": notice} if notice else {}),
        }
        metadata = {
            "model_name": model_name,
            "model_provider": "rsd",
            "finish_reason": self._finish_reason,
            "rsd": rsd,
        }
        return _chunk(
            self._text.flush(),
            response_metadata=metadata,
            usage_metadata=usage_metadata(self._ledger, self._thought_tokens),
            chunk_position="last",
        )


def _chunk(text: str, **fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(message=AIMessageChunk(content=text, **fields))


def _tool_call_chunk(call: ToolCall, index: int) -> ToolCallChunk:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    return tool_call_chunk(name=name, args=arguments, id=call["id"], index=index)


def usage_metadata(ledger: Ledger, thought: int = 0) -> UsageMetadata:
    """All tokens of all three models, as their servers counted them: what is billed.

    `output_token_details` splits the output: draft tokens kept and discarded (wasted look-ahead
    included), target and PRM tokens. `reasoning` are the tokens of what was *thought*, which are
    among those kept and the target's.
    """
    roles = [ledger["draft"], ledger["target"], ledger["prm"]]
    read = sum(role["prompt_tokens"] for role in roles)
    written = sum(role["completion_tokens"] for role in roles)
    details: dict[str, int] = {
        "draft": ledger["kept_draft_tokens"],
        "draft_discarded": ledger["draft"]["completion_tokens"] - ledger["kept_draft_tokens"],
        "target": ledger["target"]["completion_tokens"],
        "prm": ledger["prm"]["completion_tokens"],
        **({"reasoning": thought} if thought else {}),
    }
    return UsageMetadata(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_token_details=InputTokenDetails(cache_read=sum(r["cached_tokens"] for r in roles)),
        output_token_details=OutputTokenDetails(**details),  # type: ignore[typeddict-item]
    )
