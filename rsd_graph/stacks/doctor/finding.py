"""What a check says, and what it is about."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Literal

from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import Candidate, Message
from rsd_graph.answer.thinking import Phases
from rsd_graph.errors import RSDError
from rsd_graph.providers.base import Prefix
from rsd_graph.providers.facts import ServerFacts

Verdict = Literal["pass", "warn", "fail"]

Finding = tuple[Verdict, str, str]
"""Verdict, what was seen, and what to do about it."""


def fine(seen: str) -> Finding:
    """A pass."""
    return "pass", seen, ""


def judged(good: bool, seen: str, fix: str) -> Finding:
    """A pass or a fail."""
    return fine(seen) if good else ("fail", seen, fix)


def failure(error: RSDError) -> Finding:
    """An endpoint's own error, with its own advice."""
    return "fail", f"{type(error).__name__}: {error.message}", error.hint or ""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        role: The seat that was checked.
        name: What was checked.
        verdict: `"fail"` means RSD's answers would be wrong or missing.
        detail: What was seen.
        fix: What to do, for anything but a pass.
    """

    role: str
    name: str
    verdict: Verdict
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A question with a first step that is right and one that is wrong."""

    question: str
    good: str
    bad: str


APPLES = Example(
    "Ann has 3 apples. She buys 4 more. How many apples does she have?",
    "Ann starts with 3 apples and buys 4 more, so she has 3 + 4 = 7 apples.",
    "Ann starts with 3 apples and buys 4 more, so she has 3 + 4 = 12 apples.",
)

SHIPPED = Example(
    "Adam has 43 candies.\nMonday loses 33.\nTuesday buys 8.\nHow many candies?",
    "Monday loses 33. 43-33=10.",
    "Monday loses 33. 43-33=12.",
)
"""In the words of the shipped models, which know nothing else."""


@dataclass(frozen=True, slots=True)
class Seat:
    """The seat under examination, what is asked there, and what its server told of itself."""

    role: str
    example: Example
    limits: Limits
    separator: str
    facts: ServerFacts = field(default_factory=ServerFacts)
    phases: Phases = field(default_factory=Phases)

    @property
    def conversation(self) -> list[Message]:
        """The question."""
        return [Message(role="user", content=self.example.question)]

    def prefix(self, *steps: Candidate) -> Prefix:
        """The question, answered as far as *steps*."""
        return Prefix(self.conversation, steps, self.separator)

    async def check(self, name: str, finding: Awaitable[Finding]) -> Check:
        """The finding under its name; an error of the endpoint is one too."""
        try:
            return Check(self.role, name, *await finding)
        except RSDError as error:
            return Check(self.role, name, *failure(error))
