"""Is this stack fit for RSD? Each check asks the real endpoint and says how to mend what is wrong.

The checks are the traps that make RSD wrong without making it fail: a separator that cannot be told
from the end, a prefix that is not continued exactly, a second BOS, greedy decoding that is not, a
PRM read the wrong way round. An endpoint that is down, refuses the key or serves another model is
one finding, and the rest of its seat is not tried.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from rsd_graph.answer.limits import Limits
from rsd_graph.answer.thinking import Phases
from rsd_graph.providers.adapted import adapted
from rsd_graph.providers.base import RewardModelLike, StepModelLike
from rsd_graph.providers.prm.spelled import FREE, parts_of
from rsd_graph.stacks.doctor.finding import APPLES, SHIPPED, Check, Example, Seat, Verdict
from rsd_graph.stacks.doctor.prm import examine_prm, reads_words
from rsd_graph.stacks.doctor.writer import examine_writer

__all__ = ["APPLES", "SHIPPED", "Check", "Example", "Verdict", "examine"]


async def examine(
    draft: StepModelLike,
    target: StepModelLike,
    prm: RewardModelLike,
    example: Example = APPLES,
    *,
    limits: Limits | None = None,
    separator: str = "\n\n",
    phases: Phases | None = None,
) -> AsyncIterator[Check]:
    """Check every seat of a stack, yielding each finding as it is made.

    Args:
        draft: The draft.
        target: The target.
        prm: The PRM.
        example: What to ask; the PRM must be able to judge it.
        limits: The stack's own; by default those of `ChatRSD`.
        separator: What ends a step.
        phases: Who is to think.
    """
    limits, models = limits or Limits(), adapted(draft, target, prm)
    phases = phases or Phases()
    for role, model in (("draft", models.draft), ("target", models.target)):
        seat = Seat(role, example, limits, separator, phases=phases)
        async for check in examine_writer(seat, model):
            yield check
    seat, parts = Seat("prm", example, limits, separator), list(parts_of(models.prm))
    if any(isinstance(part, FREE) for part in parts):
        yield await seat.check("reads log-probabilities", reads_words(seat, models.draft))
    for part in parts:
        if not isinstance(part, FREE):
            async for check in examine_prm(seat, part):
                yield check
