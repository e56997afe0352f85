"""When an answer ends. Per answer, never shared between answers (the paper's code shares one
"patience" counter between all questions of a batch and cuts them all short).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.answer.options import check_fields
from rsd_graph.answer.state import Candidate, FinishReason, Step


@dataclass(frozen=True, slots=True)
class Limits:
    """Budgets of one answer; every one that ends an answer is named in its `finish_reason`.

    Attributes:
        max_tokens: Tokens of the whole answer, whoever writes them (prompt not included).
        max_step_tokens: Tokens of one step. A draft step cut here goes to the target unscored.
        max_steps: Steps of the answer.
        max_repeats: The answer ends when one step has been settled this often, word for word,
            among the last `4 * max_repeats` steps.
    """

    max_tokens: int = 4096
    max_step_tokens: int = 512
    max_steps: int = 100
    max_repeats: int = 4

    def __post_init__(self) -> None:
        """Refuse what is no limit; see `Options`."""
        check_fields(self)

    def step_budget(self, spent: int) -> int:
        """Tokens the next step may use after *spent* tokens of answer."""
        return max(0, min(self.max_step_tokens, self.max_tokens - spent))

    def finish_reason(self, steps: Sequence[Step | Candidate], spent: int) -> FinishReason | None:
        """Why the answer ends after these steps of *spent* tokens; `None` if another follows."""
        last = steps[-1]
        if last["ended"] == "eos":
            return "stop"
        if last["ended"] == "context":
            return "context"
        if last["ended"] == "separator" and not last["text"].strip():
            return "blank"
        if self.step_budget(spent) == 0:
            return "length"
        if len(steps) >= self.max_steps:
            return "max_steps"
        return "repetition" if self._repeats(steps) else None

    def _repeats(self, steps: Sequence[Step | Candidate]) -> bool:
        recent = [step["text"] for step in steps[-4 * self.max_repeats :]]
        return recent.count(recent[-1]) >= self.max_repeats
