"""The steps a verdict is learned from: what their words say, and whether they were good."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rsd_graph.acceptance import constant, reward_threshold
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import InputError
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.calibration.one_pass import IsRight, drafting_alone, in_sequence
from rsd_graph.lab.concurrency import at_most
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix, RewardModel, Scores
from rsd_graph.providers.prm.features import features_of
from rsd_graph.providers.prm.learned import REWARD

Labels = Literal["verdicts", "answers"]


@dataclass(frozen=True, slots=True)
class Course:
    """What is learned, and how.

    Attributes:
        labels: What makes a step good; see the module.
        beside_prm: Weigh the PRM's reward, too: then it is asked about every step.
        slip: Share of the answers that may hold a step which is let through and is not good.
        concurrency: Prompts at a time.
    """

    labels: Labels = "verdicts"
    beside_prm: bool = False
    slip: float = 0.01
    concurrency: int = 8

    def __post_init__(self) -> None:
        """Refuse what cannot be learned.

        Raises:
            InputError: A share out of range, or a PRM that would foresee its own verdict.
        """
        if not 0 <= self.slip < 1:
            raise InputError(f"a slip of {self.slip}.", expected="0 <= slip < 1")
        if self.beside_prm and self.labels == "verdicts":
            raise InputError(
                "a PRM's reward always foresees its own verdict.",
                expected="labels from answers, where the reward is one of the features",
            )


@dataclass(frozen=True, slots=True)
class Seen:
    """One step: its features and the PRM's reward, and whether it was good."""

    features: dict[str, float]
    good: bool = False


async def seen_steps(
    setup: Setup, prompts: Sequence[str], course: Course, is_right: IsRight | None = None
) -> list[list[Seen]]:
    """The steps of one answer for each prompt, labelled."""
    watching = Watching(setup.models.prm)
    watched = in_sequence(setup).with_logprobs().with_models(prm=watching)
    by_verdict = course.labels == "verdicts"
    if by_verdict:
        arm = rsd(watched, reward_threshold(setup.delta))
    else:
        arm = rsd(drafting_alone(watched), constant(1))

    async def one(prompt: str) -> list[Seen]:
        answer = await arm.solve(prompt, 0)
        steps = watching.seen[prompt]
        if by_verdict:
            return [replace(s, good=s.features[REWARD] >= setup.delta) for s in steps]
        right = is_right is not None and await is_right(prompt, answer.text)
        return [replace(step, good=right) for step in steps]

    answers = await at_most(course.concurrency, one, list(dict.fromkeys(prompts)))
    return [steps for steps in answers if steps]


class Watching:
    """A PRM that remembers, for each question, the steps it was asked about.

    Attributes:
        seen: What it saw, by question.
    """

    def __init__(self, prm: RewardModel) -> None:
        self._prm = prm
        self.seen: defaultdict[str, list[Seen]] = defaultdict(list)

    @property
    def reward_range(self) -> tuple[float, float]:
        """The PRM's own."""
        return self._prm.reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        scores = await self._prm.score(prefix, candidates)
        seen = self.seen[prefix.conversation[-1]["content"]]
        for index, (step, reward) in enumerate(zip(candidates, scores.rewards, strict=True)):
            features = features_of(step, len(prefix.steps) + index)
            seen.append(Seen({**features, REWARD: reward}))
        return scores
