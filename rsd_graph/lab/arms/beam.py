"""PRM-guided beam search over draft steps: the search RSD is compared with (paper, Table 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.answer.state import Step
from rsd_graph.lab.arms.alone import reason_to_finish, settled
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.stepwise import UnfinishedAnswer, tokens_in
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.prm.each import all_or_none


def beam_search(setup: Setup, width: int, branching: int) -> Arm:
    """*width* beams, each continued by *branching* draft steps; the PRM keeps the best.

    *setup* samples.
    """

    async def solve(question: str, seed: int) -> Outcome:
        return await _Search(setup, question, seed, width, branching).run()

    return Arm(f"beam search {width}x{branching}", solve)


@dataclass(frozen=True)
class _Beam:
    """Steps so far, and the reward of the last one."""

    steps: Sequence[Step] = ()
    reward: float = 0.0

    @property
    def is_finished(self) -> bool:
        return bool(self.steps) and self.steps[-1]["ended"] != "separator"


@dataclass
class _Search(UnfinishedAnswer):
    """One question's search."""

    width: int
    branching: int

    async def run(self) -> Outcome:
        """Grow the best beams until the best of them is finished."""
        beams = [_Beam()]
        while not beams[0].is_finished and len(beams[0].steps) < self.setup.limits.max_steps:
            grown = await all_or_none(self._grow(beam) for beam in beams)
            everything = [beam for branch in grown for beam in branch]
            beams = sorted(everything, key=lambda b: b.reward, reverse=True)[: self.width]
        return self._outcome(beams[0])

    async def _grow(self, beam: _Beam) -> list[_Beam]:
        """The continuations of one beam, scored; a finished beam stays as it is."""
        if beam.is_finished:
            return [beam]
        return await all_or_none(self._continue(beam, n) for n in range(self.branching))

    async def _continue(self, beam: _Beam, number: int) -> _Beam:
        purpose = f"beam/{number}/{self.prefix_of(beam.steps).text}"
        candidate = await self.write(self.setup.models.draft, beam.steps, purpose)
        self.book({"draft": candidate["usage"], "drafted_steps": 1})
        reward = await self.rank(beam.steps, candidate)
        return _Beam([*beam.steps, settled(candidate, "draft")], reward)

    def _outcome(self, best: _Beam) -> Outcome:
        kept = tokens_in(best.steps)
        discarded = self.ledger["draft"]["completion_tokens"] - kept
        self.book({"kept_draft_tokens": kept, "discarded_draft_tokens": discarded})
        return self.outcome(best.steps, reason_to_finish(best.steps[-1]["ended"]))
