"""The arms of an evaluation: RSD and its rivals over the same three endpoints, one accounting.

Every arm is a way to answer one question. What it spends is booked in the same ledger, under the
same roles, so that FLOPs and money compare.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Literal, TypeGuard

from rsd_graph.acceptance import Criterion, Weighting, constant, derive_seed
from rsd_graph.answer.ledger import Entry, Ledger, add, empty_ledger
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import Candidate, Message, RSDInput, Step, answer_text
from rsd_graph.graph import create_rsd_graph
from rsd_graph.lab.arms.alone import settled, solve_alone
from rsd_graph.providers.base import Prefix, RewardModel, Sampling, StepModel
from rsd_graph.providers.scripted import candidate
from rsd_graph.runtime.run import settled_steps

Aggregation = Literal["min", "last", "product", "mean"]
"""How the rewards of an answer's steps become the answer's score."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer: its text, its steps, what it cost, and why it ended."""

    text: str
    steps: Sequence[Step]
    ledger: Ledger
    finish_reason: str | None


Solve = Callable[[str, int], Awaitable[Outcome]]
"""(question, seed) -> the answer."""

Extract = Callable[[str, str], object]
"""(question, answer) -> what the answer boils down to, for votes; `None` if it states nothing."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A named way to answer questions; *delta* only where one threshold decides everything."""

    name: str
    solve: Solve
    delta: float | None = None


@dataclass(frozen=True, slots=True)
class Stack:
    """The three models all arms share, and how they are asked; see `create_rsd_graph`."""

    draft: StepModel
    target: StepModel
    prm: RewardModel
    sampling: Sampling = field(default_factory=Sampling)
    limits: Limits = field(default_factory=Limits)
    separator: str = "\n\n"
    system: str | None = None
    lookahead: Lookahead = 0
    max_waste: float = 0.1
    hedge: float | None = None

    def conversation(self, question: str) -> list[Message]:
        """The question as it is asked."""
        system = [Message(role="system", content=self.system)] if self.system else []
        return [*system, Message(role="user", content=question)]


def alone(stack: Stack, role: Literal["draft", "target"]) -> Arm:
    """One model writes everything."""
    model = stack.draft if role == "draft" else stack.target

    async def solve(question: str, seed: int) -> Outcome:
        return await _alone(stack, model, role, question, seed)

    return Arm(f"{role} only", solve)


def rsd(stack: Stack, accept: Criterion) -> Arm:
    """RSD with one acceptance criterion."""
    graph = create_rsd_graph(
        draft=stack.draft,
        target=stack.target,
        prm=stack.prm,
        accept=accept,
        sampling=stack.sampling,
        limits=stack.limits,
        step_separator=stack.separator,
        lookahead=stack.lookahead,
        max_waste=stack.max_waste,
        hedge=stack.hedge,
    ).compile(checkpointer=False, name="rsd")

    async def solve(question: str, seed: int) -> Outcome:
        state = RSDInput(conversation=stack.conversation(question), seed=seed)
        laps = [lap async for lap in settled_steps(graph, state)]
        steps = [step for lap in laps for step in lap.steps]
        text = answer_text(steps, stack.separator)
        return Outcome(text, steps, laps[-1].ledger, laps[-1].finish_reason)

    early = f", lookahead {stack.lookahead}" if stack.lookahead else ""
    early += "" if stack.hedge is None else f", hedge {stack.hedge:g}"
    delta = accept.parameters["delta"] if _is_threshold(accept) else None
    return Arm(f"RSD {accept}{early}" if delta is None else f"RSD {delta:g}{early}", solve, delta)


def _is_threshold(accept: Criterion) -> TypeGuard[Weighting]:
    return isinstance(accept, Weighting) and accept.name == "reward_threshold"


def random_mixing(stack: Stack, target_share: float) -> Arm:
    """The control: the target writes the same share of steps, chosen blindly."""
    arm = rsd(stack, constant(1 - target_share))
    return replace(arm, name=f"random mixing, target share {target_share:.1%}")


def majority(stack: Stack, count: int, sampling: Sampling, extract: Extract) -> Arm:
    """The answer most of *count* sampled drafts agree on (maj@N)."""

    async def solve(question: str, seed: int) -> Outcome:
        drafts = await _samples(stack, question, seed, count, sampling)
        answers = [extract(question, draft.text) for draft in drafts]
        votes = Counter(answer for answer in answers if answer is not None)
        winner = votes.most_common(1)[0][0] if votes else None
        return replace(drafts[answers.index(winner)], ledger=_total(drafts))

    return Arm(f"majority@{count}", solve)


def best_of_n(stack: Stack, count: int, sampling: Sampling, by: Aggregation = "min") -> Arm:
    """The one of *count* sampled drafts whose steps the PRM likes best."""

    async def solve(question: str, seed: int) -> Outcome:
        drafts = await _samples(stack, question, seed, count, sampling)
        scored = await asyncio.gather(*(_scored(stack, question, d, by) for d in drafts))
        best, _ = max(scored, key=lambda pair: pair[1])
        return replace(best, ledger=_total([outcome for outcome, _ in scored]))

    return Arm(f"best-of-{count} ({by})", solve)


async def _alone(
    stack: Stack, model: StepModel, role: Literal["draft", "target"], question: str, seed: int
) -> Outcome:
    answer, ledger = await solve_alone(
        model,
        stack.conversation(question),
        role=role,
        sampling=stack.sampling,
        max_tokens=stack.limits.max_tokens,
        seed=seed,
    )
    reason = "stop" if answer["ended"] == "eos" else answer["ended"]
    return Outcome(answer["text"], [settled(answer, role)], ledger, reason)


def steps_of(text: str, separator: str) -> list[Candidate]:
    """An answer written in one go, as the steps it consists of; each is worth scoring."""
    parts = [part for part in text.split(separator) if part.strip()]
    return [candidate(part, "separator", tokens=0) for part in parts]


async def _samples(
    stack: Stack, question: str, seed: int, count: int, sampling: Sampling
) -> list[Outcome]:
    """*count* answers of the draft alone, each from a seed of its own."""
    sampled = replace(stack, sampling=sampling)
    seeds = [derive_seed(seed, f"{question}/sample", index) for index in range(count)]
    answers = (_alone(sampled, stack.draft, "draft", question, s) for s in seeds)
    return list(await asyncio.gather(*answers))


async def _scored(
    stack: Stack, question: str, draft: Outcome, by: Aggregation
) -> tuple[Outcome, float]:
    """The PRM's aggregated opinion of a whole answer, its cost booked."""
    steps = steps_of(draft.text, stack.separator)
    if not steps:
        return draft, -math.inf
    scores = await stack.prm.score(Prefix(stack.conversation(question)), steps)
    entry: Entry = {"prm": scores.usage, "scored_steps": len(steps)}
    return replace(draft, ledger=add(draft.ledger, entry)), aggregate(scores.rewards, by)


def aggregate(rewards: Sequence[float], by: Aggregation) -> float:
    """One score from the rewards of an answer's steps."""
    if by == "last":
        return rewards[-1]
    if by == "product":
        return math.prod(rewards)
    return min(rewards) if by == "min" else fmean(rewards)


def _total(outcomes: Sequence[Outcome]) -> Ledger:
    """Everything all of them spent."""
    return add(empty_ledger(), *(outcome.ledger for outcome in outcomes))
