"""What the reward model reads in each stage of its training."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from rsd_graph.embedded.task import MAX_EVENTS, MIN_EVENTS, Problem
from training.batches import Example, Sampler, solution_sampler, training_problem
from training.chat import BAD, CHECK, GOOD, SEPARATOR
from training.checks import (
    Check,
    bare_check,
    carry_check,
    echo,
    foreign_check,
    is_near_carry,
    synthetic_check,
    terse,
)
from training.corruptions import slip

ROLLOUTS = 0.3
OTHER_BATCHES = 0.35
TERSE = 0.5
COMPARISONS = 6  # for every solution in a batch; they are that much shorter
BARE = 4  # bare checks for every check in a batch; they are that much shorter
EASY = 0.15  # share of the steps far from a carry that is kept among the bare checks

Pool = Mapping[tuple[int, int], Sequence[Check]]


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


def carry_sampler(size: int, checks: Sampler) -> Sampler:
    """Sample *checks*, and checks that turn on a carry, with a story and without one."""
    kinds: tuple[Sampler, ...] = (
        checks,
        lambda rng: carry_checks(size, rng),
        lambda rng: bare_checks(size * BARE, rng),
    )
    return lambda rng: rng.choice(kinds)(rng)


def carry_checks(size: int, rng: random.Random) -> list[Example]:
    """Draw checks that are due near a carry, all equally long."""
    events = rng.randint(MIN_EVENTS, MAX_EVENTS)
    index = rng.randrange(events)
    problems: list[Problem] = []
    while len(problems) < size:
        problem = training_problem(rng, events)
        if is_near_carry(problem.steps[index]):
            problems.append(problem)
    return [carry_check(problem, index, rng).example for problem in problems]


def bare_checks(size: int, rng: random.Random) -> list[Example]:
    """Draw checks without stories, most of them near a carry."""
    steps: list[str] = []
    while len(steps) < size:
        *worked, _ = training_problem(rng).steps
        steps += [step for step in worked if is_near_carry(step) or rng.random() < EASY]
    return [bare_check(step, rng) for step in steps[:size]]


def draw_length(rng: random.Random) -> tuple[int, int]:
    """Draw one story length and number of settled steps per batch, so that little is padded."""
    events = rng.randint(MIN_EVENTS, MAX_EVENTS)
    return events, rng.randint(0, events)


def draw_balanced(checks: Sequence[Check], count: int, rng: random.Random) -> list[Check]:
    """Draw as many wrong as right checks where there are any of both."""
    kinds = [kind for good in (True, False) if (kind := [c for c in checks if c.good is good])]
    return [rng.choice(rng.choice(kinds)) for _ in range(count)] if kinds else []
