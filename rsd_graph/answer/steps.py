"""What settled steps and candidates say: their text, their phase, their tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from rsd_graph.answer.state import FOLLOWED, Action, Candidate, Phase, Step


def join_steps(steps: Iterable[Step | Candidate], separator: str = "\n\n") -> str:
    """The assistant's text so far; a separator follows only steps that really ended in one.

    It stands between thinking and answer, too.
    """
    return "".join(
        step["text"] + (separator if step["ended"] in FOLLOWED else "") for step in steps
    )


def action_text(action: Action) -> str:
    """A step in words: its text, then each tool call as the Hermes and Qwen templates write it."""
    functions = [call["function"] for call in action.get("tool_calls", [])]
    calls = [
        f'{{"name": {json.dumps(function["name"])}, "arguments": {function["arguments"]}}}'
        for function in functions
    ]
    parts = [action["text"], *(f"<tool_call>\n{call}\n</tool_call>" for call in calls)]
    return "\n".join(part for part in parts if part)


def answer_text(steps: Iterable[Step], separator: str = "\n\n") -> str:
    """The finished answer: the joined steps without a trailing separator, and without thinking."""
    answer = [step for step in steps if phase_of(step) == "answer"]
    return join_steps(answer, separator).removesuffix(separator)


def phase_of(step: Action | Step | Candidate) -> Phase:
    """Where *step* belongs."""
    return step.get("phase", "answer")


def tokens_in(step: Step | Candidate) -> int:
    """Tokens that were generated for *step*, settled or not."""
    told: Mapping[str, Any] = step
    return int(told["tokens"] if "tokens" in told else told["usage"]["completion_tokens"])
