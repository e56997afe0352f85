"""How far ahead it pays to draft: a small model of one lap, fed with what has been measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.base import StepRequest


@dataclass(frozen=True, slots=True)
class Plan:
    """How one lap drafts.

    Attributes:
        run: Steps to have written before the PRM is asked.
        ahead: Steps to write beyond those while it is asked.
    """

    run: int
    ahead: int


_PLANS = [Plan(run, ahead) for run in range(1, 9) for ahead in (0, run + 1)]
"""Ahead, if at all, by one step more than a run: steps vary in length."""

_CROWDED_DRAFT, _CROWDED_PRM = 1.5, 2.0
"""How many times its best time a drafted token, or a verdict, takes where others are in the way."""

_PATIENCE = 50.0
"""Steps after which the waste must have come down to what is allowed."""


@dataclass(slots=True)
class Speed:
    """The best speed a model has shown: what a cancelled request can have written at most."""

    fastest_token_ms: float = math.inf

    def learn(self, spent: Usage) -> None:
        """Learn from a finished request."""
        tokens, elapsed = spent["completion_tokens"], spent["ms"]
        if tokens and elapsed:
            self.fastest_token_ms = min(self.fastest_token_ms, elapsed / tokens)

    def tokens_since(self, started: float, now: float, request: StepRequest) -> int:
        """At most this many tokens can have been written for *request*, at the best speed seen.

        *started* and *now* are seconds of one clock.
        """
        if math.isinf(self.fastest_token_ms):
            return request.max_tokens
        return min(request.max_tokens, math.ceil((now - started) * 1000 / self.fastest_token_ms))


@dataclass(slots=True)
class Pace:
    """Running averages over all answers of one drafter, in milliseconds and tokens.

    Attributes:
        max_waste: Share of draft tokens that may be written in vain.
        acceptance: Share of steps accepted; the start is a guess that a few laps correct.
        step_ms: Time of one drafted step.
        step_tokens: Tokens of one drafted step.
        verdict_ms: Time from handing a run out to its verdict, waiting for the PRM included.
        fastest_verdict_ms: The best there was.
        rereads: Whether the PRM reads the whole answer anew for each verdict, so that asking about
            a run saves work. Where it reads its prefix cache, a verdict costs what its step costs.
        saved_steps: Drafted steps that might have been wasted and, by the plans, were not.
        speed: The draft's.
    """

    max_waste: float
    acceptance: float = 0.8
    step_ms: float = 0.0
    step_tokens: float = 0.0
    verdict_ms: float = 0.0
    fastest_verdict_ms: float = math.inf
    rereads: bool = False
    saved_steps: float = 0.0
    speed: Speed = field(default_factory=Speed)

    def plan(self) -> Plan:
        """The fastest plan that is expected to keep the waste within what is allowed.

        Each plan is booked with what it is expected to waste: verdicts come too late to steer by.
        What was saved may be spent when the PRM is slow. Under load that pays only if the PRM reads
        everything anew, because a run then saves work. If it reads its cache, whoever drafts or
        asks in vain makes all others wait.
        """
        if not self.step_ms or not self.verdict_ms:
            return Plan(1, 1)
        limit, plans = self.max_waste + self.saved_steps / _PATIENCE, _PLANS
        if not self.rereads and self._draft_is_crowded():
            return Plan(1, 0)
        if not self.rereads and self._prm_is_crowded():
            limit, plans = self.max_waste, _PLANS[:2]
        allowed = [plan for plan in plans if self._waste(plan) <= limit]
        best = min(allowed, key=self._ms_per_step)  # Plan(1, 0) wastes nothing
        saved = (self.max_waste - self._waste(best)) * best.run
        self.saved_steps = min(self.saved_steps + saved, _PATIENCE / 5)
        return best

    def _draft_is_crowded(self) -> bool:
        best_step_ms = self.step_tokens * self.speed.fastest_token_ms
        return self.step_ms > _CROWDED_DRAFT * best_step_ms

    def _prm_is_crowded(self) -> bool:
        return self.verdict_ms > _CROWDED_PRM * self.fastest_verdict_ms

    def _settled(self, plan: Plan) -> float:
        """Steps of a run that are settled on average: up to the first rejection, that included."""
        return sum(self.acceptance**step for step in range(plan.run))

    def _ms_per_step(self, plan: Plan) -> float:
        """Drafting and verdict of a lap; after a run without rejection they have overlapped.

        The target's time is left out: it is the same for every plan.
        """
        overlap = min(self.verdict_ms, min(plan.run, plan.ahead) * self.step_ms)
        lap = plan.run * self.step_ms + self.verdict_ms - self.acceptance**plan.run * overlap
        return lap / self._settled(plan)

    def _waste(self, plan: Plan) -> float:
        """Share of drafted steps that come after a rejection."""
        ahead = min(plan.ahead, self.verdict_ms / self.step_ms)
        in_vain = (1 - self.acceptance**plan.run) * ahead
        return (plan.run - self._settled(plan) + in_vain) / (plan.run + in_vain)

    def drafted(self, candidate: Candidate) -> None:
        """Learn from a finished draft."""
        spent = candidate["usage"]
        self.step_ms = average(self.step_ms, spent["ms"])
        self.step_tokens = average(self.step_tokens, spent["completion_tokens"])
        self.speed.learn(spent)

    def decided(self, elapsed_ms: float, accepted: int, *, rejected: bool) -> None:
        """Learn from a verdict: how long it took, and what it was."""
        self.verdict_ms = average(self.verdict_ms, elapsed_ms)
        self.fastest_verdict_ms = min(self.fastest_verdict_ms, elapsed_ms)
        for verdict in [1.0] * accepted + [0.0] * rejected:
            self.acceptance = average(self.acceptance, verdict, weight=0.02)


def average(old: float, new: float, weight: float = 0.1) -> float:
    """The running average *old* with *new* in it; the first value counts in full."""
    return new if old == 0 else (1 - weight) * old + weight * new
