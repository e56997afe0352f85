"""Self-consistency of a step: whether the draft, asked again, arrives at the same."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Usage, add_usage, usage
from rsd_graph.answer.state import Candidate, Step
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.adapted import adapted_step_model
from rsd_graph.providers.base import Prefix, Sampling, Scores, StepModelLike, StepRequest
from rsd_graph.providers.prm.each import all_with_costs

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_LONGEST = 512
"""Tokens of a step that is written again, as `max_step_tokens` has them by default."""


class Agreement:
    """r = the share of *count* more drafts of the step that arrive where this one does.

    SpecGuard (arXiv 2604.15244) draws 16 drafts at temperature 0.7 and takes the one most others
    agree with; here the draft under decision stands, and the others only vote. Its checks by
    attention cannot be had over HTTP. Two steps arrive at the same if their last numbers are the
    same or, where one has none, their words.

    Every draft is a request, and its tokens are booked as the PRM's: for FLOPs, say the draft's
    size for the PRM.

    Args:
        draft: Writes the step again; the run's own draft, to be self-consistency.
        count: How often.
        sampling: How; at temperature 0 it would always agree.

    Raises:
        ConfigurationError: No draft is asked for.
    """

    reward_range = (0.0, 1.0)

    def __init__(
        self,
        draft: StepModelLike,
        count: int = 4,
        sampling: Sampling = Sampling(temperature=0.7),  # noqa: B008 - it is frozen
    ) -> None:
        if count < 1:
            raise ConfigurationError(f"{count} drafts to agree.", role="prm", expected="at least 1")
        self._draft = adapted_step_model(draft, "draft")
        self._count = count
        self._sampling = sampling

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`; all drafts of a run are written at once.

        Raises:
            ProviderError: The endpoint failed.
        """
        votes = await all_with_costs(
            self._vote(prefix, [*prefix.steps, *candidates[:index]], candidate, number)
            for index, candidate in enumerate(candidates)
            for number in range(self._count)
        )
        spent = add_usage(usage(calls=0, cached_tokens=0), *(cost for _, cost in votes))
        agreed = [agrees for agrees, _ in votes]
        shares = [agreed[at : at + self._count] for at in range(0, len(agreed), self._count)]
        return Scores([sum(share) / self._count for share in shares], spent, judged=0)

    async def _vote(
        self, prefix: Prefix, before: Sequence[Step | Candidate], candidate: Candidate, number: int
    ) -> tuple[bool, Usage]:
        """Whether one more draft agrees; its seed follows from the text, so that runs replay."""
        context = Prefix(prefix.conversation, before, prefix.separator)
        seed = derive_seed(number, f"agreement/{prefix.conversation}/{context.text}", len(before))
        again = await self._draft.write_step(StepRequest(context, _LONGEST, self._sampling, seed))
        return arrives_at(again["text"]) == arrives_at(candidate["text"]), again["usage"]


def arrives_at(step: str) -> str:
    """What a step comes down to: its last number, or all its words."""
    numbers = _NUMBER.findall(step)
    return numbers[-1] if numbers else " ".join(step.split())
