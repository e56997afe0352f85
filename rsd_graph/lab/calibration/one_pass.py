"""What draft and PRM do with your prompts, once: everything calibration starts from.

The draft writes every answer as RSD would have it, step by step, and every step is scored and
accepted, so that rewards, tokens, cache hits and milliseconds are those RSD will meet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from rsd_graph.acceptance import constant
from rsd_graph.answer.ledger import Ledger, Usage, empty_ledger
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import InputError
from rsd_graph.lab.arms.arm import Arm, Outcome, Stack, alone, rsd
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.scripted import FunctionStepModel, candidate

IsRight = Callable[[str, str], Awaitable[bool]]
"""(prompt, answer) -> whether the answer is right."""


@dataclass(frozen=True, slots=True)
class OwnAnswer:
    """The target's own answer to a prompt, in one request: its cost, and whether it is right."""

    usage: Usage
    right: bool | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One prompt, answered by the draft alone, every step of it scored.

    Attributes:
        prompt: The question.
        rewards: One per step. `None` for a step that cannot be scored, because it is blank or was
            cut off: it goes to the target at every delta, so the draft's answer ends there.
        tokens: One per step.
        right: Whether the draft's answer is right; `None` without a gold.
        ledger: What draft and PRM spent.
        target: The target's own answer, if it was asked.
    """

    prompt: str
    rewards: Sequence[float | None]
    tokens: Sequence[int]
    right: bool | None = None
    ledger: Ledger = field(default_factory=empty_ledger)
    target: OwnAnswer | None = None

    def below(self, delta: float) -> list[bool]:
        """Of each step, whether it would go to the target."""
        return [reward is None or reward < delta for reward in self.rewards]


@dataclass(frozen=True, slots=True)
class Sample:
    """Trials on the user's prompts."""

    trials: Sequence[Trial]

    @property
    def rewards(self) -> list[float | None]:
        """Of all steps."""
        return [reward for trial in self.trials for reward in trial.rewards]

    @property
    def scored(self) -> list[float]:
        """All rewards there are."""
        return [reward for reward in self.rewards if reward is not None]

    @property
    def is_labelled(self) -> bool:
        """Whether every answer was judged."""
        return all(trial.right is not None for trial in self.trials)

    @property
    def knows_target(self) -> bool:
        """Whether the target was asked too."""
        return all(trial.target is not None for trial in self.trials)

    def split(self, share: float = 0.7) -> tuple[Sample, Sample]:
        """Trials to choose on and trials to check on; of a single one, the same twice."""
        cut = max(1, round(share * len(self.trials)))
        return Sample(self.trials[:cut]), Sample(self.trials[cut:] or self.trials)

    def share_below(self, delta: float) -> float:
        """Share of steps this delta would send to the target."""
        below = [item for trial in self.trials for item in trial.below(delta)]
        return sum(below) / len(below)


async def collect(
    stack: Stack,
    prompts: Sequence[str],
    *,
    concurrency: int = 8,
    is_right: IsRight | None = None,
    ask_target: bool = False,
) -> Sample:
    """Let the draft answer every prompt once and keep the reward of every step.

    Args:
        stack: The models; look-ahead and hedging are switched off.
        prompts: The questions.
        concurrency: Prompts at a time.
        is_right: Judges (prompt, answer), where golds are known.
        ask_target: Let the target answer each prompt alone, too: one more request each.

    Raises:
        InputError: No prompt, or no draft wrote a step that can be scored.
    """
    turn = asyncio.Semaphore(concurrency)
    draft = rsd(replace(in_sequence(stack), target=FunctionStepModel(_nothing)), constant(1))
    target = alone(stack, "target") if ask_target else None

    async def one(prompt: str) -> Trial:
        async with turn:
            return await _trial(prompt, draft, target, is_right)

    sample = Sample(await asyncio.gather(*map(one, prompts)))
    if not sample.scored:
        raise InputError("there is nothing to calibrate on.", expected="prompts the draft answers")
    return sample


def in_sequence(stack: Stack) -> Stack:
    """The same models in Algorithm 1 as it stands: nothing is started early."""
    return replace(stack, lookahead=0, hedge=None)


def _nothing(request: StepRequest) -> Candidate:
    """In the target's seat: a step that nobody can score ends the draft's answer."""
    return candidate("", "eos", tokens=0)


async def _trial(prompt: str, draft: Arm, target: Arm | None, is_right: IsRight | None) -> Trial:
    answer = await draft.solve(prompt, 0)
    cut = answer.ledger["discarded_draft_tokens"]
    return Trial(
        prompt,
        [step["reward"] for step in answer.steps],
        [step["tokens"] if step["source"] == "draft" else cut for step in answer.steps],
        await is_right(prompt, answer.text) if is_right else None,
        answer.ledger,
        await _own_answer(prompt, await target.solve(prompt, 0), is_right) if target else None,
    )


async def _own_answer(prompt: str, answer: Outcome, is_right: IsRight | None) -> OwnAnswer:
    right = await is_right(prompt, answer.text) if is_right else None
    return OwnAnswer(answer.ledger["target"], right)
