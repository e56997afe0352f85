"""What the reward model learns: to work out the step that is due, then to judge the one it read.

A check reads ``<problem><settled steps><candidate><check>`` and writes the day and the equation
that are due, the number that the candidate claims instead, one verdict and the end of turn::

    <check>Monday 43-33=10=11<->

The two numbers stand side by side because comparing neighbours is easy, whereas comparing an
equation with one some twenty tokens back was not learnt in 5,000 steps. About half of all
candidates are wrong, so that copying the candidate's equation does not pay.

A step is due from the value that stands *written*, even if an earlier wrong step was settled:
re-deriving the whole story inside one check is beyond models of this size, and the run is lost
by then anyway.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from rsd_graph.embedded.task import (
    SMALLEST,
    Problem,
    extract_answer,
    find_equation,
)
from training.batches import Example, training_problem
from training.chat import BAD, CHECK, GOOD, SEPARATOR, TURN_END, render_check
from training.corruptions import (
    FAR,
    Event,
    Situation,
    corrupt,
    slip,
    write_answer,
    write_step,
)
from training.rewording import reword

REWORDED_CANDIDATES = 0.4
NOISY_CANDIDATES = 0.15
REWORDED_SETTLED = 0.1
DRIFTED = 0.1
RIGHT = 0.35
NEAR_CARRY = range(8, 12)  # sums of units digits
NEAR_BORROW = range(-3, 2)  # differences of units digits
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Check:
    """A question, its settled steps, a candidate, and the canonical step that is due."""

    question: str
    settled: tuple[str, ...]
    candidate: str
    due: str

    @property
    def good(self) -> bool:
        """Whether the candidate claims what is due."""
        return claim(self.candidate) == claim(self.due)

    @property
    def example(self) -> Example:
        """The check as text to read and text to write."""
        verdict = GOOD if self.good else BAD
        context = render_check(self.question, self.settled, self.candidate)
        return Example(context, f"{terse(self.due)}{echo(self.candidate)}{verdict}{TURN_END}")


def terse(step: str) -> str:
    """Shorten a canonical step to the day and the equation, or to the answer.

    What is left keeps the tokens it had, so that a terse solution and a check need one skill.
    """
    day = step.split()[0] if find_equation(step) else ""
    return f"{day}{claim(step)}"


def claim(step: str) -> str | None:
    """Return what a step claims, as a check spells it: its one equation, or its boxed answer."""
    answer, equation = extract_answer(step), find_equation(step)
    if answer is not None:
        return f"={answer}"
    return f" {equation.tight}" if equation else None


def echo(step: str) -> str:
    """Repeat the number that *step* arrives at, if any, in the very tokens of the due result."""
    answer, equation = extract_answer(step), find_equation(step)
    number = equation.result if answer is None and equation else answer
    return "" if number is None else f"={number}"


def read_situation(problem: Problem, index: int) -> Situation:
    """Recover events and values from a problem whose first *index* steps are settled."""
    first, *lines, _ = problem.question.split("\n")
    values = [int(first.split()[2])]
    for step in problem.steps[:index]:
        equation = find_equation(step)
        values.append(equation.result if equation else problem.answer)
    return Situation(tuple(map(Event.parse, lines)), tuple(values))


def drift(problem: Problem, index: int, rng: random.Random) -> tuple[Situation, list[str]]:
    """Falsify the last settled result, so that the next step is due from a wrong value."""
    situation, settled = read_situation(problem, index), list(problem.steps[:index])
    equation = find_equation(settled[-1]) if settled else None
    wrong = rng.randint(SMALLEST, FAR)
    drifted = replace(situation, values=(*situation.values[:-1], wrong))
    if equation is None or (drifted.due_event and not drifted.due_equation):
        return situation, settled
    settled[-1] = write_step(situation.events[index - 1], replace(equation, result=wrong))
    return drifted, settled


def make_up_words(rng: random.Random) -> str:
    """Return one to three words that mean nothing."""
    words = ("".join(rng.choices(LETTERS, k=rng.randint(2, 6))) for _ in range(rng.randint(1, 3)))
    return " ".join(words)


def add_noise(step: str, rng: random.Random) -> str:
    """Hide the claim among made-up words, so that unknown words mean nothing to the model."""
    before, after = make_up_words(rng).capitalize(), make_up_words(rng)
    if (equation := find_equation(step)) is None:
        box = f"\\boxed{{{extract_answer(step)}}}"
        return rng.choice((f"{before} {box}.", f"{before} {box} {after}.", f"{box} {after}."))
    spelling = rng.choice((equation.tight, equation.spaced))
    return rng.choice(
        (
            f"{before} {spelling}.",
            f"{spelling} {after}.",
            f"{before} {spelling} {after}.",
            f"{before} {equation.result} {after} {spelling}.",
        )
    )


def vary(step: str, rng: random.Random) -> str:
    """Keep the claim, if there is one, and sometimes change its wording."""
    draw = rng.random()
    if draw >= NOISY_CANDIDATES + REWORDED_CANDIDATES or claim(step) is None:
        return step
    return add_noise(step, rng) if draw < NOISY_CANDIDATES else reword(step, rng)


def synthetic_check(problem: Problem, index: int, rng: random.Random) -> Check:
    """Check a right or corrupted candidate for step *index*, with about even odds."""
    situation, settled = read_situation(problem, index), list(problem.steps[:index])
    if rng.random() < DRIFTED:
        situation, settled = drift(problem, index, rng)
    right = right_step(situation)
    candidate = right if rng.random() < RIGHT else corrupt(situation, rng)
    if rng.random() < REWORDED_SETTLED:
        settled = [reword(step, rng) for step in settled]
    return Check(problem.question, tuple(settled), vary(candidate, rng), right)


def carry_check(problem: Problem, index: int, rng: random.Random) -> Check:
    """Check a step whose only mistake, if any, is its tens digit."""
    right = problem.steps[index]
    candidate = right if rng.random() < 0.5 else miss_carry(right, rng)
    return Check(problem.question, problem.steps[:index], vary(candidate, rng), right)


def miss_carry(step: str, rng: random.Random) -> str:
    """Write the result of a canonical step ten too low or too high."""
    operands, number = step.rstrip(".").split("=")
    return f"{operands}={abs(int(number) + rng.choice((-10, 10)))}."


def bare_check(due: str, rng: random.Random) -> Example:
    """Check step *due* or a miscalculation of it, without a story, the operands given.

    Nothing is left to learn but arithmetic that resists the candidate's result.
    """
    operands, number = terse(due).split("=")
    wrong = rng.choice((abs(int(number) - 10), int(number) + 10, slip(int(number), rng)))
    claimed = int(number) if rng.random() < 0.5 else wrong
    candidate = vary(due.replace(f"={number}", f"={claimed}"), rng)
    verdict = GOOD if claimed == int(number) else BAD
    context = f"{candidate}{SEPARATOR}{CHECK}{operands}"
    return Example(context, f"={number}={claimed}{verdict}{TURN_END}")


def is_near_carry(step: str) -> bool:
    """Tell whether the units of a sum or difference only just carry, or only just do not.

    All 103 wrong draft steps that the reward model let pass after its fifth stage, of 1,431 on
    1,000 held-out problems, were such steps with the result ten off.
    """
    equation = find_equation(step)
    if equation is None or equation.op in "*/":
        return False
    left, right = equation.left % 10, equation.right % 10
    return left + right in NEAR_CARRY if equation.op == "+" else left - right in NEAR_BORROW


def foreign_check(problem: Problem, index: int, rng: random.Random) -> Check:
    """Check a step of some other story, which says nothing about what is due in this one."""
    situation, settled = drift(problem, index, rng)
    candidate = vary(rng.choice(training_problem(rng).steps), rng)
    return Check(problem.question, tuple(settled), candidate, right_step(situation))


def right_step(situation: Situation) -> str:
    """Spell the step that is due."""
    event, equation = situation.due_event, situation.due_equation
    return write_step(event, equation) if event and equation else write_answer(situation.values[-1])
