r"""Guided Speculative Inference (Geuter, Mroueh and Alvarez-Melis, ICLR 2026, arXiv 2506.04118).

Soft best-of-n over draft steps, with rewards tilted towards what the target would have written:

    r~_i = r_i + (log P_M(y_i|z) - log P_m(y_i|z)) / beta,    i ~ softmax(beta r~)
    accept y_i iff r~_i >= u, else draw i ~ softmax(beta r) over n steps of the target

Log-probabilities are sums over a step's tokens at temperature 1, not divided by its length, as in
the authors' code (inference/speculative.py of j-geuter/GSI at be4d17c, with its settings beta 20,
u 0.5, temperature 0.7 and top_p 1). That code also stops at the first `\boxed`, after 45 steps,
and when no reward reaches 0.1; here an answer ends as in every other arm.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Usage, add_usage
from rsd_graph.answer.state import Candidate, Source, Step
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.arms.alone import settled
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.arms.stepwise import StepwiseAnswer
from rsd_graph.lab.setup import Setup
from rsd_graph.nodes.request import is_judgeable, tokens_of
from rsd_graph.providers.base import StepModel, TextScorer
from rsd_graph.providers.prm.each import all_or_none
from rsd_graph.providers.prm.ratio import LikelihoodRatio


@dataclass(frozen=True, slots=True)
class Guidance:
    """The three numbers of GSI.

    Attributes:
        count: Steps to draw, n.
        beta: Inverse temperature of the choice among them.
        threshold: Accept iff the tilted reward reaches it, u.

    Raises:
        ConfigurationError: No steps, or beta is not positive.
    """

    count: int
    beta: float = 20.0
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn from."""
        if self.count < 1 or not 0 < self.beta < math.inf:
            raise ConfigurationError(f"{self} cannot be used.", expected="count >= 1, beta > 0")

    def __str__(self) -> str:
        """As tables name it."""
        return f"GSI-{self.count} (beta {self.beta:g}, u {self.threshold:g})"


def guided(setup: Setup, guidance: Guidance) -> Arm:
    """GSI; *setup* samples.

    The target's reading of the drafts is booked as reading of the target: the decode-only
    accounting does not see it, the full one does.

    Raises:
        CapabilityError: This target cannot report the probability of given text.
    """
    ratio = LikelihoodRatio(setup.models.target)
    reporting = setup.with_logprobs()

    async def solve(question: str, seed: int) -> Outcome:
        return await _Answer(reporting, question, seed, guidance, ratio).finish()

    return Arm(str(guidance), solve)


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A drafted step, its reward, and its tilted reward."""

    candidate: Candidate
    reward: float
    tilted: float


@dataclass
class _Answer(StepwiseAnswer):
    guidance: Guidance
    ratio: LikelihoodRatio

    async def next_step(self) -> Step:
        drafts = await self._draw(self.setup.models.draft, "draft")
        self.book({"drafted_steps": len(drafts)})
        drawn = await self._choose(drafts)
        if drawn and drawn.tilted >= self.guidance.threshold:
            return self._accept(drawn, drafts)
        self.book({"target_steps": 1, "discarded_draft_tokens": tokens_of(drafts)})
        rejected = drawn.candidate if drawn else drafts[0]
        return {
            **settled(await self._rewrite(), "target"),
            "reward": drawn.reward if drawn else None,
            "rejected_text": rejected["text"],
        }

    def _accept(self, drawn: _Drawn, drafts: Sequence[Candidate]) -> Step:
        kept = drawn.candidate["usage"]["completion_tokens"]
        lost = tokens_of(drafts) - kept
        self.book({"accepted_steps": 1, "kept_draft_tokens": kept, "discarded_draft_tokens": lost})
        return {**settled(drawn.candidate, "draft"), "reward": drawn.reward}

    async def _choose(self, drafts: Sequence[Candidate]) -> _Drawn | None:
        """i ~ softmax(beta r~) over whole steps; `None` if there are none."""
        whole = [draft for draft in drafts if is_judgeable(draft)]
        if not whole:
            return None
        rewards = await all_or_none(self.reward(self.steps, draft) for draft in whole)
        # One after the other: each finds what they share in the server's prefix cache.
        ratios = [await self._log_ratio(draft) for draft in whole]
        beta = self.guidance.beta
        drawn = [_Drawn(d, r, r + x / beta) for d, r, x in zip(whole, rewards, ratios, strict=True)]
        return drawn[self._soft_choice("draft", [item.tilted for item in drawn])]

    async def _log_ratio(self, draft: Candidate) -> float:
        """log P_M - log P_m of a drafted step."""
        scores = await self.ratio.score(
            self.prefix_of(self.steps), [await self._with_logprob(draft)]
        )
        self.book({"target": _reading(scores.usage)})
        return scores.rewards[0]

    async def _with_logprob(self, draft: Candidate) -> Candidate:
        """A draft whose server could not say how probable it was is read by its own model."""
        model = self.setup.models.draft
        if draft["logprob"] is not None or not isinstance(model, TextScorer):
            return draft
        ending = self.setup.options.step_separator if draft["ended"] == "separator" else ""
        prefix = self.prefix_of(self.steps)
        logprob, spent = await model.log_probability(prefix, draft["text"], ending)
        self.book({"draft": _reading(spent)})
        return {**draft, "logprob": logprob}

    async def _rewrite(self) -> Candidate:
        """Soft best-of-n of the target, by reward alone; what is chosen is not checked again."""
        written = await self._draw(self.setup.models.target, "target")
        whole = [candidate for candidate in written if is_judgeable(candidate)]
        if not whole:
            return written[0]
        rewards = await all_or_none(self.reward(self.steps, candidate) for candidate in whole)
        return whole[self._soft_choice("target", rewards)]

    async def _draw(self, model: StepModel, role: Source) -> list[Candidate]:
        """n steps, each from a seed of its own."""
        numbers = range(self.guidance.count)
        written = await all_or_none(self.write_next(model, f"gsi/{role}/{n}") for n in numbers)
        spent = add_usage(*(candidate["usage"] for candidate in written))
        self.book({"draft": spent} if role == "draft" else {"target": spent})
        return written

    def _soft_choice(self, purpose: str, values: Sequence[float]) -> int:
        """An index drawn from softmax(beta * values)."""
        seed = derive_seed(self.seed, f"gsi/choice/{purpose}/{self.question}", len(self.steps))
        highest = max(values)
        masses = [math.exp(self.guidance.beta * (value - highest)) for value in values]
        return random.Random(seed).choices(range(len(values)), masses)[0]


def _reading(spent: Usage) -> Usage:
    """The cost of reading given text: the token that servers generate after it is thrown away."""
    return {**spent, "completion_tokens": 0}
