"""Two verdicts, one for what is thought and one for what is answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from rsd_graph.answer.ledger import add_usage
from rsd_graph.answer.state import Candidate, Phase
from rsd_graph.answer.steps import phase_of
from rsd_graph.providers.base import Prefix, RewardModel, Scores
from rsd_graph.providers.prm.confidence import DraftConfidence
from rsd_graph.providers.prm.each import opinion


class ByPhase:
    """Each phase's steps are judged by a reward model of their own, which is shown that phase.

    PRMs trained on answers misjudge thinking, whose wrong turns are part of it (ReasonFlux-PRM,
    arXiv 2506.18896).

    Args:
        thinking: Judges what is thought.
        answer: Judges the answer, and is shown none of the thinking.
    """

    def __init__(self, thinking: RewardModel, answer: RewardModel) -> None:
        self.members = (thinking, answer)
        self._judges: dict[Phase, RewardModel] = {"thinking": thinking, "answer": answer}
        self.endpoint = getattr(thinking, "endpoint", None) or getattr(answer, "endpoint", None)

    @property
    def reward_range(self) -> tuple[float, float]:
        """From the lowest reward of both to the highest."""
        lowest, highest = zip(*(judge.reward_range for judge in self._judges.values()), strict=True)
        return min(lowest), max(highest)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        found = []
        for phase, before, run in _runs(candidates):
            steps = [step for step in (*prefix.steps, *before) if phase_of(step) == phase]
            shown = replace(prefix, steps=steps, phase=phase)
            scores, _ = await opinion(self._judges[phase], shown, run)
            found.append(scores)
        return Scores(
            [reward for scores in found for reward in scores.rewards],
            add_usage(*(scores.usage for scores in found)),
            judged=sum(scores.verdicts for scores in found),
        )


def by_confidence(prm: RewardModel, sees: Phase) -> ByPhase:
    """*prm* judges the phase it *sees*, the draft's confidence the other one."""
    confidence = DraftConfidence()
    return ByPhase(prm, confidence) if sees == "thinking" else ByPhase(confidence, prm)


def _runs(
    candidates: Sequence[Candidate],
) -> Iterator[tuple[Phase, Sequence[Candidate], Sequence[Candidate]]]:
    """Each stretch of one phase, after the candidates that stand before it."""
    done = 0
    for phase, stretch in groupby(candidates, phase_of):
        run = list(stretch)
        yield phase, candidates[:done], run
        done += len(run)
