"""Ways for a step to be wrong, modelled on what small drafts really get wrong.

Each corruption takes the situation in which a step is due and returns a wrong canonical step, or
``None`` where it does not apply. Nothing here labels a step: by luck a corruption may be right,
so labels always come from arithmetic.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from rsd_graph.embedded.task import VERBS, Equation, apply_operation

FAR = 99
MISCALCULATIONS = 6  # shares of fifteen: otherwise copying the candidate's result would mostly pay
OPERATOR_OF = {verb: op for op, verbs in VERBS.items() for verb in verbs}


@dataclass(frozen=True)
class Event:
    """One line of the story."""

    day: str
    verb: str
    operand: int

    @classmethod
    def parse(cls, line: str) -> Event:
        """Read ``Monday loses 33.``"""
        day, verb, operand = line.rstrip(".").split()
        return cls(day, verb, int(operand))

    def work_out(self, value: int) -> Equation | None:
        """Apply the event to *value*, or ``None`` where the task never goes."""
        op = OPERATOR_OF[self.verb]
        result = apply_operation(value, op, self.operand)
        in_range = result is not None and 0 <= result <= FAR
        return Equation(value, op, self.operand, result or 0) if in_range else None


@dataclass(frozen=True)
class Situation:
    """A story and the values written so far; the step due is event number ``len(values) - 1``."""

    events: tuple[Event, ...]
    values: tuple[int, ...]

    @property
    def index(self) -> int:
        """Which step is due."""
        return len(self.values) - 1

    @property
    def due_event(self) -> Event | None:
        """The event to be worked out, or ``None`` when only the answer is left."""
        return self.events[self.index] if self.index < len(self.events) else None

    @property
    def due_equation(self) -> Equation | None:
        """The right equation, from the value that stands written."""
        return self.due_event.work_out(self.values[-1]) if self.due_event else None


def write_step(event: Event, equation: Equation) -> str:
    """Spell a step canonically; the two halves need not agree."""
    return f"{event.day} {event.verb} {event.operand}. {equation.tight}."


def write_answer(value: int) -> str:
    """Spell the last step canonically."""
    return f"The answer is \\boxed{{{value}}}."


def slip(value: int, rng: random.Random) -> int:
    """Misread or miscalculate a number: a digit off, digits swapped, or anything at all."""
    swapped = int(str(value)[::-1])
    off = value + rng.choice((-10, -2, -1, 1, 2, 10))
    tens = rng.randint(0, 9) * 10 + value % 10
    units = value // 10 * 10 + rng.randint(0, 9)
    return abs(rng.choice((off, off, tens, units, swapped, rng.randint(2, FAR))))


def wrong_result(situation: Situation, rng: random.Random) -> str | None:
    """Copy everything right and miscalculate."""
    event, equation = situation.due_event, situation.due_equation
    if event is None or equation is None:
        return write_answer(slip(situation.values[-1], rng))
    return write_step(event, replace(equation, result=slip(equation.result, rng)))


def wrong_operand(situation: Situation, rng: random.Random) -> str | None:
    """Misread the event's number, then calculate faithfully; often the words are wrong as well."""
    event = situation.due_event
    if event is None:
        return None
    others = [other.operand for other in situation.events]
    misread = replace(event, operand=rng.choice((slip(event.operand, rng), rng.choice(others))))
    equation = misread.work_out(situation.values[-1])
    return write_step(rng.choice((event, misread, misread)), equation) if equation else None


def wrong_operator(situation: Situation, rng: random.Random) -> str | None:
    """Mistake what happened on the day."""
    event = situation.due_event
    if event is None:
        return None
    misread = replace(event, verb=rng.choice(list(OPERATOR_OF)))
    equation = misread.work_out(situation.values[-1])
    return write_step(rng.choice((event, misread)), equation) if equation else None


def wrong_start(situation: Situation, rng: random.Random) -> str | None:
    """Start from a stale or misread value instead of the last result."""
    event = situation.due_event
    start = rng.choice((slip(situation.values[-1], rng), rng.choice(situation.values)))
    if event is None:
        return write_answer(start)
    equation = event.work_out(start)
    return write_step(event, equation) if equation else None


def wrong_event(situation: Situation, rng: random.Random) -> str | None:
    """Skip or repeat an event."""
    event = rng.choice(situation.events)
    equation = event.work_out(situation.values[-1])
    return write_step(event, equation) if equation else None


def mixed_up_event(situation: Situation, rng: random.Random) -> str | None:
    """Name the right day but take verb and number from another."""
    if situation.due_event is None:
        return None
    misread = replace(rng.choice(situation.events), day=situation.due_event.day)
    equation = misread.work_out(situation.values[-1])
    return write_step(misread, equation) if equation else None


def early_answer(situation: Situation, rng: random.Random) -> str | None:
    """Stop before the story ends."""
    return write_answer(rng.choice(situation.values))


def random_equation(situation: Situation, rng: random.Random) -> str | None:
    """Slip in one random place of the equation and leave the rest as it was."""
    event, equation = situation.due_event, situation.due_equation
    if event is None or equation is None:
        return None
    slipped = (
        replace(equation, left=slip(equation.left, rng)),
        replace(equation, right=slip(equation.right, rng)),
        replace(equation, result=slip(equation.result, rng)),
    )
    return write_step(event, rng.choice(slipped))


def unfinished(situation: Situation, rng: random.Random) -> str | None:
    """Retell an event and stop before working it out, as a cut-off step does."""
    event = rng.choice(situation.events)
    return f"{event.day} {event.verb} {event.operand}."


Corruption = Callable[[Situation, random.Random], str | None]

CORRUPTIONS: tuple[Corruption, ...] = (
    *[wrong_result] * MISCALCULATIONS,
    wrong_operand,
    wrong_operand,
    wrong_operator,
    wrong_start,
    wrong_event,
    mixed_up_event,
    early_answer,
    random_equation,
    unfinished,
)


def corrupt(situation: Situation, rng: random.Random) -> str:
    """Return some wrong step (wrong by intention, that is)."""
    while (step := rng.choice(CORRUPTIONS)(situation, rng)) is None:
        pass
    return step
