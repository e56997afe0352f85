"""What draft and PRM do with your prompts, once: everything calibration starts from.

The draft writes every answer as RSD would have it, step by step, and every step is scored and
accepted, so that rewards, tokens, cache hits and milliseconds are those RSD will meet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from rsd_graph.acceptance import constant
from rsd_graph.answer.ledger import Ledger, empty_ledger
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import InputError
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.concurrency import at_most
from rsd_graph.lab.setup import ROLES, Setup
from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.scripted import FunctionStepModel, candidate

IsRight = Callable[[str, str], Awaitable[bool]]
"""(prompt, answer) -> whether the answer is right."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt answered, in fact or by estimate: whether rightly, and what it cost.

    `right` is `None` where nobody can say.
    """

    right: bool | None
    ledger: Ledger

    @property
    def seconds(self) -> float:
        """Seconds of waiting for the three models, one after the other."""
        return sum(self.ledger[role]["ms"] for role in ROLES) / 1000

    @property
    def steps(self) -> int:
        """How many steps were accepted or rewritten."""
        return self.ledger["accepted_steps"] + self.ledger["target_steps"]


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
        target: The target's own answer in one request, if it was asked.
    """

    prompt: str
    rewards: Sequence[float | None]
    tokens: Sequence[int]
    right: bool | None = None
    ledger: Ledger = field(default_factory=empty_ledger)
    target: Answered | None = None

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
        """Share of the steps that would go to the target."""
        below = [item for trial in self.trials for item in trial.below(delta)]
        return sum(below) / len(below)


async def collect(
    setup: Setup,
    prompts: Sequence[str],
    *,
    concurrency: int = 8,
    is_right: IsRight | None = None,
    ask_target: bool = False,
) -> Sample:
    """Let the draft answer every prompt once and keep the reward of every step.

    Args:
        setup: The models; look-ahead and hedging are switched off.
        prompts: The questions.
        concurrency: Prompts at a time.
        is_right: Judges (prompt, answer), where golds are known.
        ask_target: Let the target answer each prompt alone, too: one more request each.

    Raises:
        InputError: No prompt, or no draft wrote a step that can be scored.
        ProviderError: An endpoint failed.
    """
    draft = rsd(drafting_alone(in_sequence(setup)), constant(1))
    target = alone(setup, "target") if ask_target else None

    async def one(prompt: str) -> Trial:
        own = await draft.solve(prompt, 0)
        cut = own.ledger["discarded_draft_tokens"]  # what was written of a step that has no reward
        return Trial(
            prompt,
            [step["reward"] for step in own.steps],
            [step["tokens"] if step["source"] == "draft" else cut for step in own.steps],
            await is_right(prompt, own.text) if is_right else None,
            own.ledger,
            await answered(target, prompt, is_right) if target else None,
        )

    sample = Sample(await at_most(concurrency, one, prompts))
    if not sample.scored:
        raise InputError("there is nothing to calibrate on.", expected="prompts the draft answers")
    return sample


def in_sequence(setup: Setup) -> Setup:
    """The same models in Algorithm 1 as it stands: nothing starts early, no failure is hidden."""
    return setup.with_options(lookahead=0, hedge=None, on_prm_error="raise")


def drafting_alone(setup: Setup) -> Setup:
    """The same without a target: where the draft writes what nobody can score, the answer ends."""
    return setup.with_models(target=FunctionStepModel(_ends_the_answer))


async def answered(arm: Arm, prompt: str, is_right: IsRight | None) -> Answered:
    """An arm's answer to one prompt."""
    answer = await arm.solve(prompt, 0)
    return Answered(await is_right(prompt, answer.text) if is_right else None, answer.ledger)


def _ends_the_answer(request: StepRequest) -> Candidate:
    """The target of the pass: where the draft wrote a step that nobody can score, the end."""
    return candidate("", "eos", tokens=0)
