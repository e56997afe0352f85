"""Several whole answers of the draft, one of which is taken: by votes, or by the PRM."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import Ledger, add, empty_ledger
from rsd_graph.answer.state import Candidate, Span
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.arm import Arm, Outcome
from rsd_graph.lab.concurrency import at_most
from rsd_graph.lab.question import Extract
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Prefix
from rsd_graph.providers.prm.combine import AGGREGATIONS, Aggregation
from rsd_graph.providers.prm.each import all_or_none
from rsd_graph.providers.scripted import candidate


def majority(setup: Setup, count: int, extract: Extract) -> Arm:
    """The answer most of *count* drafts agree on (maj@N); *setup* samples."""

    async def solve(question: str, seed: int) -> Outcome:
        drafts = await _samples(setup, question, seed, count)
        answers = [extract(question, draft.text) for draft in drafts]
        votes = Counter(answer for answer in answers if answer is not None)
        winner = votes.most_common(1)[0][0] if votes else None
        return _taken(drafts[answers.index(winner)], drafts)

    return Arm(f"majority@{count}", solve)


def best_of_n(setup: Setup, count: int, by: Aggregation = "min") -> Arm:
    """The one of *count* drafts whose steps the PRM likes best; *setup* samples."""

    async def solve(question: str, seed: int) -> Outcome:
        drafts = await _samples(setup, question, seed, count)
        scored = await all_or_none(_scored(setup, question, draft, by) for draft in drafts)
        best, _ = max(scored, key=lambda pair: pair[1])
        return _taken(best, [outcome for outcome, _ in scored])

    return Arm(f"best-of-{count} ({by})", solve)


def steps_of(text: str, separator: str) -> list[Candidate]:
    """An answer written in one go, as the steps it consists of; each is worth scoring."""
    parts = [part for part in text.split(separator) if part.strip()]
    return [candidate(part, "separator", tokens=0) for part in parts]


async def _samples(setup: Setup, question: str, seed: int, count: int) -> list[Outcome]:
    """*count* answers of the draft alone, each from a seed of its own."""
    draft = alone(setup, "draft")
    seeds = [derive_seed(seed, f"{question}/sample", index) for index in range(count)]
    return await at_most(count, lambda own: draft.solve(question, own), seeds)


async def _scored(
    setup: Setup, question: str, draft: Outcome, by: Aggregation
) -> tuple[Outcome, float]:
    """The PRM's aggregated opinion of a whole answer, its cost booked."""
    steps = steps_of(draft.text, setup.options.step_separator)
    if not steps:
        return draft, -math.inf
    scores = await setup.models.prm.score(Prefix(setup.conversation(question)), steps)
    ledger = add(draft.ledger, {"prm": scores.usage, "scored_steps": scores.verdicts})
    return replace(draft, ledger=ledger), AGGREGATIONS[by](scores.rewards)


def _taken(taken: Outcome, outcomes: Sequence[Outcome]) -> Outcome:
    """One of the answers; what the others cost and when they were written is told with it."""
    others = [step for other in outcomes if other is not taken for step in other.steps]
    lost: list[Span] = [
        {**span, "use": "wasted"} for each in others for span in each.get("spans", ())
    ]
    first, *rest = taken.steps
    first = {**first, "spans": [*first.get("spans", ()), *lost]}
    return replace(taken, steps=[first, *rest], ledger=_total(outcomes))


def _total(outcomes: Sequence[Outcome]) -> Ledger:
    """Everything all of them spent."""
    return add(empty_ledger(), *(outcome.ledger for outcome in outcomes))
