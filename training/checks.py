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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rsd_graph.embedded.task import (
    MAX_EVENTS,
    MIN_EVENTS,
    SMALLEST,
    Problem,
    extract_answer,
    find_equation,
    reword,
)
from training.batches import Example, Sampler, solution_sampler, training_problem
from training.chat import BAD, CHECK, GOOD, SEPARATOR, TURN_END, render_check
from training.corruptions import FAR, Event, Situation, corrupt, slip, write_answer, write_step

REWORDED_CANDIDATES = 0.4
NOISY_CANDIDATES = 0.15
REWORDED_SETTLED = 0.1
DRIFTED = 0.1
RIGHT = 0.35
ROLLOUTS = 0.3
OTHER_BATCHES = 0.35
TERSE = 0.5
COMPARISONS = 6  # for every solution in a batch; they are that much shorter
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


Pool = Mapping[tuple[int, int], Sequence[Check]]


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


def foreign_check(problem: Problem, index: int, rng: random.Random) -> Check:
    """Check a step of some other story, which says nothing about what is due in this one."""
    situation, settled = drift(problem, index, rng)
    candidate = vary(rng.choice(training_problem(rng).steps), rng)
    return Check(problem.question, tuple(settled), candidate, right_step(situation))


def right_step(situation: Situation) -> str:
    """Spell the step that is due."""
    event, equation = situation.due_event, situation.due_equation
    return write_step(event, equation) if event and equation else write_answer(situation.values[-1])


def mixed_solution_sampler(size: int) -> Sampler:
    """Sample whole solutions, every second batch in terse steps.

    In a full step the words in front of the equation do half the work. Terse solutions teach to
    read the operation off the story and to calculate from the equation alone, as a check must,
    and they teach it densely: every step of a solution is learnt from.
    """
    full = solution_sampler(size)

    def sample(rng: random.Random) -> Sequence[Example]:
        if rng.random() < TERSE:
            return [make_terse(example) for example in full(rng)]
        return full(rng)

    return sample


def dense_sampler(size: int) -> Sampler:
    """Sample what a check is made of: full solutions, terse solutions, comparisons."""
    full = solution_sampler(size)
    kinds: tuple[Sampler, ...] = (
        full,
        lambda rng: [make_terse(example) for example in full(rng)],
        lambda rng: [comparison(rng) for _ in range(size * COMPARISONS)],
    )
    return lambda rng: rng.choice(kinds)(rng)


def comparison(rng: random.Random) -> Example:
    """Show the end of a check, to be learnt without all that leads up to it."""
    due = training_problem(rng, MIN_EVENTS).steps[rng.randint(0, MIN_EVENTS)]
    number = int(echo(due)[1:])
    claimed = number if rng.random() < 0.5 else slip(number, rng)
    return Example(f"{CHECK}{terse(due)}={claimed}", GOOD if claimed == number else BAD)


def make_terse(solution: Example) -> Example:
    """Rewrite the steps of a solution tersely, all but the answer."""
    *steps, answer = solution.target.split(SEPARATOR)
    return Example(solution.context, SEPARATOR.join([*map(terse, steps), answer]))


def foreign_sampler(size: int) -> Sampler:
    """Sample checks in which copying the candidate is no use at all.

    Without this stage the verifier finds copying first, gets by with it, and never learns to
    look the event up.
    """

    def sample(rng: random.Random) -> list[Example]:
        events, index = draw_length(rng)
        problems = [training_problem(rng, events) for _ in range(size)]
        return [foreign_check(problem, index, rng).example for problem in problems]

    return sample


def check_sampler(size: int, pool: Pool, solutions: Sampler) -> Sampler:
    """Sample the checks that decide: about even odds, real rollouts among them.

    Some batches come from *solutions* instead, which hold the most arithmetic per token, and some
    are foreign checks, lest the verifier fall back on copying the candidate's result.
    """
    others = (solutions, foreign_sampler(size))

    def sample(rng: random.Random) -> Sequence[Example]:
        if rng.random() < OTHER_BATCHES:
            return rng.choice(others)(rng)
        events, index = draw_length(rng)
        real = draw_balanced(pool.get((events, index), []), int(size * ROLLOUTS), rng)
        problems = [training_problem(rng, events) for _ in range(size - len(real))]
        made = [synthetic_check(problem, index, rng) for problem in problems]
        return [check.example for check in real + made]

    return sample


def draw_length(rng: random.Random) -> tuple[int, int]:
    """Draw one story length and number of settled steps per batch, so that little is padded."""
    events = rng.randint(MIN_EVENTS, MAX_EVENTS)
    return events, rng.randint(0, events)


def draw_balanced(checks: Sequence[Check], count: int, rng: random.Random) -> list[Check]:
    """Draw as many wrong as right checks where there are any of both."""
    kinds = [kind for good in (True, False) if (kind := [c for c in checks if c.good is good])]
    return [rng.choice(rng.choice(kinds)) for _ in range(count)] if kinds else []
