r"""What the thinking models learn: to work a story out with detours, then to answer briefly.

Between ``<think>`` and ``</think>`` a step may go wrong; the next one then says so and does it
again::

    <think>
    Monday loses 33. 43-33=10.

    Tuesday buys 8. 10+8=17.

    Wait, Tuesday buys 8. 10+8=18.
    </think>

    So 10+8=18.

    The answer is \boxed{18}.

Noticing is learnt densely besides: from texts that end in a step, as often wrong as right, and go
on with the one that is due. In whole solutions there are too few such places.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.embedded.task import MAX_EVENTS, MIN_EVENTS, Problem, extract_answer, find_equation
from training.batches import Example, Sampler, training_problem
from training.chat import SEPARATOR, THOUGHT, TURN_END, WAIT, render_solution, render_thinking
from training.checks import Check, miss_carry, read_situation, vary
from training.corruptions import corrupt

NOTICING = 0.4
"""Share of the batches that teach to notice a mistake."""
NO_THINKING = 0.15
"""Share of the batches that answer without thinking, so that it can be switched off."""
NOTICED = 2  # times as many such examples in a batch: they are that much shorter
WRONG = 0.5
NEAR_MISS = 0.3
RIGHT = 0.45
OTHER_CHECKS = 0.5
SECOND_TRIES = 0.3
CONCLUSIONS = 0.3
BORDER = 0.2
"""Share of the checked thoughts that still end in `</think>`: who asks may have left it."""


@dataclass(frozen=True)
class Habit:
    """How somebody thinks.

    Attributes:
        errs: Share of the events whose first try is wrong, and corrected.
        rechecks: Share of the right steps that are done again all the same.
    """

    errs: float
    rechecks: float


WANDERING = Habit(errs=0.15, rechecks=0.03)
STRAIGHT = Habit(errs=0.02, rechecks=0.02)


def thinking_sampler(size: int, habit: Habit) -> Sampler:
    """Sample whole solutions of that habit, places to notice a mistake, answers without thought."""

    def sample(rng: random.Random) -> Sequence[Example]:
        events = rng.randint(MIN_EVENTS, MAX_EVENTS)
        draw = rng.random()
        if draw < NOTICING:
            index = rng.randrange(events)
            problems = [training_problem(rng, events) for _ in range(size * NOTICED)]
            return [notice(problem, index, rng) for problem in problems]
        problems = [training_problem(rng, events) for _ in range(size)]
        if draw < NOTICING + NO_THINKING:
            return [unthought(problem) for problem in problems]
        return [thought(problem, habit, rng) for problem in problems]

    return sample


def thought(problem: Problem, habit: Habit, rng: random.Random) -> Example:
    """Think, then answer."""
    return Example(
        render_thinking(problem.question),
        SEPARATOR.join(think(problem, len(problem.steps) - 1, habit, rng)) + conclude(problem),
    )


def think(problem: Problem, events: int, habit: Habit, rng: random.Random) -> list[str]:
    """Work out the first *events* of a story."""
    thoughts: list[str] = []
    for index, right in enumerate(problem.steps[:events]):
        draw = rng.random()
        if draw < habit.errs:
            thoughts.append(err(problem, index, rng))
        elif draw < habit.errs + habit.rechecks:
            thoughts.append(right)
        else:
            thoughts.append(right)
            continue
        thoughts.append(WAIT + right)
    return thoughts


def err(problem: Problem, index: int, rng: random.Random) -> str:
    """Return a wrong try at the event that is due; never an answer."""
    right = problem.steps[index]
    situation = read_situation(problem, index)
    while True:
        wrong = miss_carry(right, rng) if rng.random() < NEAR_MISS else corrupt(situation, rng)
        if extract_answer(wrong) is None and find_equation(wrong) != find_equation(right):
            return wrong


def conclude(problem: Problem) -> str:
    """Close the thinking: the last equation, then the answer."""
    return f"\n{THOUGHT}{SEPARATOR}" + SEPARATOR.join(answer_steps(problem)) + TURN_END


def answer_steps(problem: Problem) -> tuple[str, str]:
    """Return what is said after the thinking."""
    *_, last, answer = problem.steps
    equation = find_equation(last)
    assert equation is not None, "every event's step holds one equation"
    return f"So {equation.tight}.", answer


def unthought(problem: Problem) -> Example:
    """Solve a story without thinking, as the other models do."""
    return Example(render_thinking(problem.question, enabled=False), render_solution(problem))


def notice(problem: Problem, index: int, rng: random.Random) -> Example:
    """Show a step, as often wrong as right, and learn what is due after it."""
    right, settled = problem.steps[index], problem.steps[:index]
    wrong = rng.random() < WRONG
    shown = err(problem, index, rng) if wrong else right
    context = render_thinking(problem.question) + SEPARATOR.join([*settled, shown])
    if wrong:
        return Example(context, SEPARATOR + WAIT + right + SEPARATOR)
    if index == len(problem.steps) - 2:
        return Example(context, conclude(problem))
    return Example(context, SEPARATOR + problem.steps[index + 1] + SEPARATOR)


def thinking_check_sampler(size: int, others: Sampler) -> Sampler:
    """Sample checks among thoughts, and as many batches of *others*, lest those be forgotten."""

    def sample(rng: random.Random) -> Sequence[Example]:
        if rng.random() < OTHER_CHECKS:
            return others(rng)
        events = rng.randint(MIN_EVENTS, MAX_EVENTS)
        index = rng.randrange(events)
        problems = [training_problem(rng, events) for _ in range(size)]
        return [thinking_check(problem, index, rng).example for problem in problems]

    return sample


def thinking_check(problem: Problem, index: int, rng: random.Random) -> Check:
    """Check a thought, a second try after a wrong or right one, or the answer's first step.

    Thoughts are judged one by one, as steps are: a second try by the event that it is about.
    """
    right, settled = problem.steps[index], think(problem, index, WANDERING, rng)
    is_right = rng.random() < RIGHT
    candidate = right if is_right else err(problem, index, rng)
    draw = rng.random()
    if draw < SECOND_TRIES:
        settled.append(err(problem, index, rng) if rng.random() < WRONG else right)
        candidate = WAIT + candidate
    elif index == len(problem.steps) - 2 and draw < SECOND_TRIES + CONCLUSIONS:
        settled.append(right + f"\n{THOUGHT}" * (rng.random() < BORDER))
        equation = find_equation(candidate)
        candidate = f"So {equation.tight}." if equation else candidate
    else:
        candidate = vary(candidate, rng) + f"\n{THOUGHT}" * (rng.random() < BORDER)
    return Check(problem.question, tuple(settled), candidate, right)
