"""How a run of candidates is scored: in one call, or one by one where that call fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rsd_graph.answer.books import Books, spent_before
from rsd_graph.answer.options import OnPRMError
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import RSDError
from rsd_graph.providers.base import Prefix, RewardModel, Scores, check_scores
from rsd_graph.providers.logs import get_logger

Rewards = list[float | None]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Asks the PRM about the candidates of one lap, and books what that costs.

    Attributes:
        prm: Who is asked.
        prefix_with: The prefix of the candidate that follows these.
        all_accepted: Whether the criterion accepts every candidate with these rewards.
        on_error: Whether a score that fails is raised, or left out so that the target writes.
        books: Of the run.
        learn: Called with the scores of one call and how many steps stood before them.
    """

    prm: RewardModel
    prefix_with: Callable[[Sequence[Candidate]], Prefix]
    all_accepted: Callable[[Rewards], bool]
    on_error: OnPRMError
    books: Books
    learn: Callable[[Scores, int], None]

    async def rewards(self, run: Sequence[Candidate]) -> Rewards:
        """The rewards of *run*, as far as they are needed: up to the first rejection.

        If the call for the whole run fails, nobody knows at which candidate it did. Then they are
        scored one by one, as they are without look-ahead, and only those that come before the
        first rejection. Fewer rewards than candidates, all of them accepted, mean that the next
        score failed and must be raised, once what comes before it is settled.

        Raises:
            ProviderError: The first candidate's score failed, and errors are to be raised.
        """
        if len(run) > 1:
            try:
                return await self._ask(run, before=())
            except Exception as error:
                name = type(error).__name__
                get_logger(__name__).warning("rsd.scored_one_by_one", steps=len(run), error=name)
        return await self._one_by_one(run)

    async def _one_by_one(self, run: Sequence[Candidate]) -> Rewards:
        found: Rewards = []
        for index, candidate in enumerate(run):
            if not self.all_accepted(found):
                break
            try:
                found += await self._ask([candidate], before=run[:index])
            except Exception as error:
                if self.on_error == "target" and isinstance(error, RSDError):
                    self.books.enter({"prm_failures": 1})
                    found.append(None)
                elif found:
                    break
                else:
                    raise
        return found

    async def _ask(self, candidates: Sequence[Candidate], before: Sequence[Candidate]) -> Rewards:
        """Checked rewards, in one call."""
        prefix = self.prefix_with(before)
        try:
            scores = await self.prm.score(prefix, candidates)
        except asyncio.CancelledError:
            self.books.enter({"cancelled_calls": 1})
            raise
        except Exception as error:
            self.books.enter({"prm": spent_before(error)})
            raise
        self.books.enter({"prm": scores.usage})
        check_scores(scores, candidates, self.prm)
        self.books.enter({"scored_steps": scores.verdicts})
        self.learn(scores, len(prefix.steps))
        return list(scores.rewards)
