"""When an answer ends, and its thinking before it. Per answer, never shared between answers (the
paper's code shares one "patience" counter between all questions of a batch, which cuts them short).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rsd_graph.answer.options import check_fields
from rsd_graph.answer.state import Candidate, FinishReason, Phase, Step
from rsd_graph.answer.steps import phase_of, tokens_in
from rsd_graph.errors import ConfigurationError

FinishOfThinking = Literal["closed", "forced", "unfinished"]
"""The model closed its thinking, the limits did, or the answer ended before."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one answer; every one that ends an answer is named in its `finish_reason`.

    Attributes:
        max_tokens: Tokens of the whole answer, whoever writes them (prompt not included).
        max_step_tokens: Tokens of one step. A draft step cut here goes to the target unscored.
        max_steps: Steps of the answer.
        max_repeats: The answer ends when one step has been settled this often, word for word,
            among the last `4 * max_repeats` steps. Thinking is closed then, and the answer follows;
            so it is after a step of thinking that was cut while it said the same over and over.
        max_thinking_tokens: Tokens of all thinking, after which it is closed; `None` is three
            quarters of `max_tokens`. A step of the answer always has room.
        max_thinking_steps: Steps of all thinking; `None` is three quarters of `max_steps`.
            The answer always has one.
        min_step_tokens: A thinking step of fewer tokens is joined with the next.

    Raises:
        ConfigurationError: One is no limit, or thinking has no room for a single step.
    """

    max_tokens: int = 4096
    max_step_tokens: int = 512
    max_steps: int = 100
    max_repeats: int = 4
    max_thinking_tokens: int | None = None
    max_thinking_steps: int | None = None
    min_step_tokens: int = 8

    def __post_init__(self) -> None:
        """Refuse what is no limit; see `Options`."""
        check_fields(self)
        if self.max_thinking_tokens is not None and self.max_thinking_tokens < self.min_step_tokens:
            raise ConfigurationError(
                f"max_thinking_tokens={self.max_thinking_tokens} has no room for one step.",
                expected=f"at least min_step_tokens={self.min_step_tokens}",
                hint="Raise max_thinking_tokens, or take thinking='off'.",
            )

    def step_budget(self, spent: int) -> int:
        """Tokens the next step may use after *spent* tokens of answer."""
        return max(0, min(self.max_step_tokens, self.max_tokens - spent))

    def thinking_budget(self, steps: Sequence[Step | Candidate]) -> int:
        """Tokens that thinking may still use after *steps*."""
        most = self.max_tokens - min(self.max_step_tokens, self.max_tokens // 4)
        whole = min(self.max_thinking_tokens or self.max_tokens * 3 // 4, most)
        return whole - sum(tokens_in(step) for step in steps if phase_of(step) == "thinking")

    def phase_after(self, steps: Sequence[Step | Candidate]) -> Phase:
        """Where the step after *steps* belongs, if the model thinks before it answers.

        Thinking is over once a step has closed it, or belongs to the answer; it is closed by force
        where its budget has no room for another step, or it goes round in circles.
        """
        is_over = any(phase_of(step) == "answer" or step["ended"] == "closed" for step in steps)
        return "answer" if is_over or self.closes_thinking(steps) else "thinking"

    def closes_thinking(self, steps: Sequence[Step | Candidate]) -> bool:
        """Whether the limits close the thinking after these steps of it."""
        most = min(self.max_thinking_steps or self.max_steps * 3 // 4, self.max_steps - 1)
        if self.thinking_budget(steps) < self.min_step_tokens or len(steps) >= most:
            return True
        if not steps:
            return False
        text, is_cut = steps[-1]["text"], steps[-1]["ended"] == "length"
        is_stuck = is_cut and goes_round(text, self.max_repeats)
        return is_stuck or not text.strip() or self._repeats(steps)

    def finish_of_thinking(self, steps: Sequence[Step]) -> FinishOfThinking:
        """How the thinking among *steps* ended."""
        thoughts = [step for step in steps if phase_of(step) == "thinking"]
        if len(thoughts) == len(steps) and self.phase_after(steps) == "thinking":
            return "unfinished"
        is_closed = bool(thoughts) and thoughts[-1]["ended"] == "closed"
        return "forced" if not is_closed and self.closes_thinking(thoughts) else "closed"

    def finish_reason(self, steps: Sequence[Step | Candidate], spent: int) -> FinishReason | None:
        """Why the answer ends after these steps of *spent* tokens; `None` if another follows."""
        last, phase = steps[-1], phase_of(steps[-1])
        if last["ended"] == "eos":
            return "stop"
        if last["ended"] == "context":
            return "context"
        if last["ended"] == "separator" and phase == "answer" and not last["text"].strip():
            return "blank"
        if self.step_budget(spent) == 0:
            return "length"
        if len(steps) >= self.max_steps:
            return "max_steps"
        return "repetition" if phase == "answer" and self._repeats(steps) else None

    def _repeats(self, steps: Sequence[Step | Candidate]) -> bool:
        phase = phase_of(steps[-1])
        alike = [step["text"] for step in steps if phase_of(step) == phase]
        recent = alike[-4 * self.max_repeats :]
        if phase == "thinking":  # "Wait, no." and "wait - no" are one thought
            recent = [" ".join(re.findall(r"\w+", text.lower())) for text in recent]
        return recent.count(recent[-1]) >= self.max_repeats


def goes_round(text: str, times: int) -> bool:
    """Whether *text*, cut anywhere, ends in the same words *times* over, at least half of it."""
    words = re.findall(r"\w+", text.lower())[:-1]  # the last one may be cut
    for size in range(1, len(words) // times + 1):
        count = max(times, len(words) // (2 * size))
        if words[-size * count :] == words[-size:] * count:
            return True
    return False
