"""A cheap verdict first, the dear one only where that is not sure."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import replace

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import Usage, add_usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.adapted import adapted_prm
from rsd_graph.providers.base import Prefix, RewardModel, RewardModelLike, Scores
from rsd_graph.providers.prm.each import all_with_costs, opinion


class Cascade:
    """*first* decides what it is sure of; *then* is asked about the rest, and about nothing else.

    So do ConfSpec (arXiv 2602.18447), where the draft judges before the target, and most work on
    step-level speculation that does without a large PRM. A reward in [low, high) is unsure, and
    *then* gives another; one outside stands. Between -inf and inf the cascade is *then*; where low
    is high, it is *first*. Keep delta inside the interval: what is sure is sure of one side of it.

    Candidates of a run (look-ahead) that stand together are one request to *then*. Without
    look-ahead *then* is never asked in vain.

    Args:
        first: Cheap, such as a free verdict or `Learned`.
        then: Dear, such as a PRM; with the same reward range.
        unsure: Which rewards of *first* are unsure: (low, high). `None` takes what *first* says of
            itself, as one that was learned does.

    Raises:
        ConfigurationError: Ranges that differ, or no interval.
    """

    def __init__(
        self,
        first: RewardModelLike,
        then: RewardModelLike,
        unsure: tuple[float, float] | None = None,
    ) -> None:
        self.members: tuple[RewardModel, RewardModel] = adapted_prm(first), adapted_prm(then)
        if self.members[0].reward_range != self.members[1].reward_range:
            raise ConfigurationError(
                f"a cascade of rewards in {first.reward_range} and in {then.reward_range}: one "
                "delta cannot decide on both.",
                role="prm",
                expected="the same reward range for both",
                hint="Bring rewards to one scale with a FunctionPRM of your own.",
            )
        self._low, self._high = _interval(getattr(first, "unsure", None), unsure)

    @property
    def reward_range(self) -> tuple[float, float]:
        """That of both."""
        return self.members[0].reward_range

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; the first member that fails ends it.

        Raises:
            RewardError: A member's rewards cannot be trusted.
            ProviderError: An endpoint failed.
        """
        first, then = self.members
        quick, cost = await opinion(first, prefix, candidates)
        runs = list(self._runs(quick.rewards))

        def ask(start: int, end: int) -> Coroutine[object, object, tuple[Scores, Usage]]:
            before = replace(prefix, steps=[*prefix.steps, *candidates[:start]])
            return opinion(then, before, candidates[start:end])

        with kept_on_error([cost]):
            opinions = await all_with_costs(ask(*run) for run in runs)
        rewards = list(quick.rewards)
        for (start, end), (scores, _) in zip(runs, opinions, strict=True):
            rewards[start:end] = scores.rewards
        verdicts = quick.verdicts + sum(scores.verdicts for scores, _ in opinions)
        spent = add_usage(cost, *(each for _, each in opinions))
        return Scores(rewards, spent, judged=verdicts)

    def _runs(self, rewards: Sequence[float]) -> Iterator[tuple[int, int]]:
        """Where unsure rewards stand together: from, and up to but without."""
        unsure = [self._low <= reward < self._high for reward in rewards]
        edges = [
            index
            for index in range(len(unsure) + 1)
            if _at(unsure, index) != _at(unsure, index - 1)
        ]
        yield from zip(edges[::2], edges[1::2], strict=True)


def _at(flags: Sequence[bool], index: int) -> bool:
    return 0 <= index < len(flags) and flags[index]


def _interval(
    usual: tuple[float, float] | None, said: tuple[float, float] | None
) -> tuple[float, float]:
    """The interval that was said, or else the usual one."""
    match said or usual:
        case (float() | int() as low, float() | int() as high) if low <= high:
            return float(low), float(high)
    raise ConfigurationError(
        f"a cascade that is unsure where the first reward is in {said}.",
        role="prm",
        expected="unsure=(low, high), with low <= high",
        hint="A learned verdict brings its own: rsd-graph calibrate --learn.",
    )
