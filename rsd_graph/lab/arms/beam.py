"""PRM-guided beam search over draft steps: the search RSD is compared with (paper, Table 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Entry, Ledger, add, empty_ledger
from rsd_graph.answer.state import Candidate, answer_text
from rsd_graph.lab.arms.alone import settled
from rsd_graph.lab.arms.arm import Arm, Outcome, Stack
from rsd_graph.nodes.request import is_judgeable, tokens_of
from rsd_graph.providers.base import Prefix, Sampling, StepRequest


def beam_search(stack: Stack, width: int, branching: int, sampling: Sampling) -> Arm:
    """*width* beams, each continued by *branching* sampled draft steps; the PRM keeps the best."""

    async def solve(question: str, seed: int) -> Outcome:
        search = _Search(replace(stack, sampling=sampling), question, seed, width, branching)
        return await search.run()

    return Arm(f"beam search {width}x{branching}", solve)


@dataclass(frozen=True)
class _Beam:
    """Steps so far, and the reward of the last one."""

    steps: Sequence[Candidate] = ()
    reward: float = 0.0

    @property
    def is_finished(self) -> bool:
        return bool(self.steps) and self.steps[-1]["ended"] != "separator"


@dataclass
class _Search:
    """One question's search, and what it has spent."""

    stack: Stack
    question: str
    seed: int
    width: int
    branching: int
    ledger: Ledger = field(default_factory=empty_ledger)

    async def run(self) -> Outcome:
        """Grow the best beams until the best of them is finished."""
        beams = [_Beam()]
        while not beams[0].is_finished and len(beams[0].steps) < self.stack.limits.max_steps:
            grown = await asyncio.gather(*(self._grow(beam) for beam in beams))
            everything = [beam for branch in grown for beam in branch]
            beams = sorted(everything, key=lambda b: b.reward, reverse=True)[: self.width]
        return self._outcome(beams[0])

    async def _grow(self, beam: _Beam) -> list[_Beam]:
        """The continuations of one beam, scored; a finished beam stays as it is."""
        if beam.is_finished:
            return [beam]
        prefix = Prefix(self.stack.conversation(self.question), beam.steps, self.stack.separator)
        numbers = range(self.branching)
        return list(await asyncio.gather(*(self._continue(beam, prefix, n) for n in numbers)))

    async def _continue(self, beam: _Beam, prefix: Prefix, number: int) -> _Beam:
        limits = self.stack.limits
        seed = derive_seed(self.seed, f"beam/{number}/{prefix.text}", len(beam.steps))
        budget = max(1, limits.step_budget(tokens_of(beam.steps)))
        request = StepRequest(prefix, budget, self.stack.sampling, seed)
        candidate = await self.stack.draft.write_step(request)
        self._book({"draft": candidate["usage"], "drafted_steps": 1})
        return _Beam([*beam.steps, candidate], await self._reward(prefix, candidate))

    async def _reward(self, prefix: Prefix, candidate: Candidate) -> float:
        """The PRM's reward; a blank or cut-off step ranks below every scored one."""
        if not is_judgeable(candidate):
            return self.stack.prm.reward_range[0]
        scores = await self.stack.prm.score(prefix, [candidate])
        self._book({"prm": scores.usage, "scored_steps": 1})
        return scores.rewards[0]

    def _book(self, entry: Entry) -> None:
        self.ledger = add(self.ledger, entry)

    def _outcome(self, best: _Beam) -> Outcome:
        kept = tokens_of(best.steps)
        discarded = self.ledger["draft"]["completion_tokens"] - kept
        self._book({"kept_draft_tokens": kept, "discarded_draft_tokens": discarded})
        steps = [settled(candidate, "draft") for candidate in best.steps]
        reason = "stop" if best.steps[-1]["ended"] == "eos" else best.steps[-1]["ended"]
        return Outcome(answer_text(steps, self.stack.separator), steps, self.ledger, reason)
