"""The two seams of this package: *writes the next step* and *scores these steps*.

Whatever implements `StepModel` can sit in the draft's or the target's seat; whatever implements
`RewardModel` can sit in the PRM's. Batching is the servers' business: one call, one answer.

People may write either more freely, as `StepModelLike` and `RewardModelLike` say; `adapted` makes
the one of the other.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from functools import partial
from numbers import Real
from typing import Protocol, TypeGuard, runtime_checkable

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.options import check_fields
from rsd_graph.answer.state import FOLLOWED, Candidate, Message, Phase, Step
from rsd_graph.answer.steps import join_steps, phase_of
from rsd_graph.errors import RewardError


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are drawn. Sent in full with every request: no server default leaks in.

    Attributes:
        temperature: 0 is greedy (the paper's setting).
        top_p: Nucleus mass in (0, 1].
        top_k: 0 means no limit.
        min_p: 0 means off.
        repetition_penalty: 1 means off.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what every server refuses, before anything is spent."""
        check_fields(self)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What has been said: the conversation and the settled steps of the answer in progress.

    Attributes:
        conversation: The question, and what was said before it.
        steps: Each with its text and phase; markers of thinking are no part of them.
        separator: Stands between steps.
        phase: Where the next step belongs; `None` where nobody thinks.
    """

    conversation: Sequence[Message]
    steps: Sequence[Step | Candidate] = ()
    separator: str = "\n\n"
    phase: Phase | None = None

    @property
    def text(self) -> str:
        """The assistant's text so far, to be continued exactly; an answer continues no thought."""
        thoughts = [step for step in self.steps if phase_of(step) == "thinking"]
        is_cut = self.phase == "answer" and thoughts and thoughts[-1]["ended"] not in FOLLOWED
        border = self.separator if is_cut else ""
        answer = self.steps[len(thoughts) :]
        return f"{join_steps(thoughts, self.separator)}{border}{join_steps(answer, self.separator)}"


@dataclass(frozen=True, slots=True)
class StepRequest:
    """One step to be written after *prefix*, of at most *max_tokens* tokens.

    A thinking step of fewer than *min_tokens* is joined with the next.
    """

    prefix: Prefix
    max_tokens: int
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    min_tokens: int = 1


@dataclass(frozen=True, slots=True)
class Scores:
    """What a PRM said about a run of candidates.

    Attributes:
        rewards: One per candidate, in order, inside the model's `reward_range`.
        usage: What it cost; one call without tokens unless said otherwise.
        step_rewards: Every reward the model reported, settled steps included, where it reports
            more than was asked; kept for audits and calibration.
        judged: How many of the candidates a model was asked about: fewer where a verdict is free.
            All unless said otherwise.
    """

    rewards: Sequence[float]
    usage: Usage = field(default_factory=partial(usage, cached_tokens=0))
    step_rewards: Sequence[float] = ()
    judged: int | None = None

    @property
    def verdicts(self) -> int:
        """How many verdicts of a model these are."""
        return len(self.rewards) if self.judged is None else self.judged


@runtime_checkable
class StepModel(Protocol):
    """Writes the next step: the seat of draft and target."""

    async def write_step(self, request: StepRequest) -> Candidate:
        """Continue the prefix up to the next separator, the end of the answer, or a limit.

        Raises:
            ProviderError: The endpoint failed; see `rsd_graph.errors`.
        """
        ...


@runtime_checkable
class RewardModel(Protocol):
    """Scores drafted steps: the seat of the PRM."""

    @property
    def reward_range(self) -> tuple[float, float]:
        """Lowest and highest reward this model can give; infinities are allowed."""
        ...

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """One reward for each candidate, each judged after all before it.

        Raises:
            ProviderError: The endpoint failed; see `rsd_graph.errors`.
        """
        ...


@runtime_checkable
class StepModelLike(Protocol):
    """A `StepModel` as it may be written: `write_step` is async, or sync and run in a thread."""

    def write_step(self, request: StepRequest, /) -> Candidate | Awaitable[Candidate]:
        """See `StepModel.write_step`; `rsd_graph.candidate(text, ended)` makes a candidate."""
        ...


@runtime_checkable
class RewardModelLike(Protocol):
    """A `RewardModel` as it may be written: `score` is sync or async, and a list will do."""

    @property
    def reward_range(self) -> tuple[float, float]:
        """See `RewardModel.reward_range`; an attribute will do."""
        ...

    def score(
        self, prefix: Prefix, candidates: Sequence[Candidate], /
    ) -> Scores | Sequence[float] | Awaitable[Scores | Sequence[float]]:
        """See `RewardModel.score`."""
        ...


@dataclass(frozen=True, slots=True)
class Models:
    """The three models of RSD, one for each role."""

    draft: StepModel
    target: StepModel
    prm: RewardModel


@runtime_checkable
class TextScorer(Protocol):
    """A step model that can also say how probable a given text is (likelihood-ratio weighting)."""

    async def log_probability(
        self, prefix: Prefix, text: str, followed_by: str = ""
    ) -> tuple[float, Usage]:
        """Natural log-probability of *text* after *prefix* at temperature 1, and its cost.

        *followed_by* is the separator if the text ended in it: not scored itself, but it decides
        how the end of the text falls into tokens.
        """
        ...


def is_reward(value: object) -> TypeGuard[float]:
    """Whether *value* is a number: neither a truth value, nor text, nor NaN."""
    return isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value)


def check_scores(scores: Scores, candidates: Sequence[Candidate], prm: RewardModel) -> None:
    """Refuse rewards that cannot be trusted; nothing is ever accepted on a bad reward.

    Raises:
        RewardError: Not one reward per candidate, or one is no number or out of the range declared.
    """
    endpoint = str(getattr(prm, "endpoint", "")) or None
    if len(scores.rewards) != len(candidates):
        raise RewardError(
            f"{len(scores.rewards)} rewards for {len(candidates)} steps.",
            role="prm",
            endpoint=endpoint,
            expected="exactly one reward per step",
            hint="Does a step contain the PRM's own step tag, or is the tag wrong for this model?",
        )
    low, high = prm.reward_range
    for index, reward in enumerate(scores.rewards):
        if not is_reward(reward) or not low <= reward <= high:
            raise RewardError(
                f"reward {reward!r} for step {index + 1} of {len(candidates)}.",
                role="prm",
                endpoint=endpoint,
                expected=f"a number in [{low}, {high}]",
                hint="Check the read-out (activation, label order) of this PRM.",
            )
