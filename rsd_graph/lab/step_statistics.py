"""What answers are like, in steps and tokens, measured from ledgers: what `rsd-graph plan` asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

from rsd_graph.answer.ledger import Ledger, add, empty_ledger, settled_tokens


@dataclass(frozen=True, slots=True)
class StepStatistics:
    """Means over answers that were written step by step.

    Attributes:
        answers: How many.
        steps: Of an answer.
        step_tokens: Of a step.
        question_tokens: Of a question as the draft reads it, estimated from all its prompts.
        decided: Drafted steps that were accepted or rejected, in all.
        rejected: How many of those were rejected.
    """

    answers: int
    steps: float
    step_tokens: float
    question_tokens: float
    decided: int
    rejected: int


def step_statistics(ledgers: Iterable[Ledger]) -> StepStatistics | None:
    """The statistics of *ledgers*; `None` if none of them is of an answer in steps."""
    found = [ledger for ledger in ledgers if ledger["draft"]["calls"] and _decided(ledger)]
    if not found:
        return None
    total = reduce(add, found, empty_ledger())
    answers, decided, tokens = len(found), _decided(total), settled_tokens(total)
    before = sum(settled_tokens(one) * (_decided(one) - 1) / 2 for one in found)
    prompt = total["draft"]["prompt_tokens"] / total["draft"]["calls"]
    return StepStatistics(
        answers=answers,
        steps=decided / answers,
        step_tokens=tokens / decided,
        question_tokens=max(1.0, prompt - before / decided),
        decided=decided,
        rejected=total["target_steps"],
    )


def _decided(ledger: Ledger) -> int:
    return ledger["accepted_steps"] + ledger["target_steps"]
