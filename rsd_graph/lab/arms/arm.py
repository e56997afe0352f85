"""An arm is a named way to answer one question.

Whatever an arm spends is booked in the same ledger, under the same roles, so that tokens, FLOPs and
money of RSD and its rivals compare.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.state import Step


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer: its text, its steps, what it cost, and why it ended."""

    text: str
    steps: Sequence[Step]
    ledger: Ledger
    finish_reason: str | None


Solve = Callable[[str, int], Awaitable[Outcome]]
"""(question, seed) -> the answer."""


@dataclass(frozen=True, slots=True)
class Arm:
    """A named way to answer questions; *delta* only where one threshold decides everything."""

    name: str
    solve: Solve
    delta: float | None = None
