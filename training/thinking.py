r"""What the thinking models learn: to work a story out with detours, then to answer briefly.

A step of the thinking may be wrong. The model may check it, which is to work it out again beside
what was claimed, as the reward model does, and to do it again if the two differ::

    <think>
    Monday loses 33. 43-33=10.

    Tuesday buys 8. 10+8=17.

    Check: Tuesday 10+8=18=17 wrong.

    Wait, Tuesday buys 8. 10+8=18.

    </think>

    The answer is \boxed{18}.

Not every step is checked: models of this size cannot see that one is wrong before they have worked
it out again. So some mistakes stay, and some of the checks find nothing.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from rsd_graph.embedded.task import MAX_EVENTS, MIN_EVENTS, Problem, extract_answer
from training.batches import Example, Sampler, training_problem
from training.chat import (
    BAD,
    CHECK,
    GOOD,
    RECHECK,
    RIGHT,
    SEPARATOR,
    THINK,
    THOUGHT,
    TURN_END,
    WAIT,
    WRONG,
    render_check,
    render_thinking,
)
from training.checks import Check, echo, miss_carry, read_situation, terse, vary
from training.corruptions import corrupt, slip, write_answer

LIKE = {THINK: "assistant", THOUGHT: "The", WAIT: "Next", RECHECK: CHECK, RIGHT: GOOD, WRONG: BAD}
"""New tokens, and known ones that stand where they will."""
NEAR_MISS = 0.3
GOOD_CANDIDATES = 0.45
OTHER_CHECKS = 0.5
KINDS = ("step", "second try", "check", "answer")


@dataclass(frozen=True)
class Habit:
    """How somebody thinks.

    Attributes:
        errs: Share of the events whose first try is wrong; it is checked, and done again.
        checks: Share of the right steps that are checked all the same.
    """

    errs: float
    checks: float


WANDERING = Habit(errs=0.2, checks=0.3)
STRAIGHT = Habit(errs=0.02, checks=0.05)


def thinking_sampler(size: int, habit: Habit) -> Sampler:
    """Sample thinking of that habit; where it is straight, after somebody else's beginning."""

    def sample(rng: random.Random) -> Sequence[Example]:
        events = rng.randint(MIN_EVENTS, MAX_EVENTS)
        problems = [training_problem(rng, events) for _ in range(size)]
        begun = rng.randint(0, events) if habit is STRAIGHT else 0
        return [thought(problem, habit, begun, rng) for problem in problems]

    return sample


def thought(problem: Problem, habit: Habit, begun: int, rng: random.Random) -> Example:
    """Go on thinking where somebody has *begun* so many events, then answer.

    The last of them may be interrupted after a wrong try, or after the check that found it. Where
    all is thought already, the thinking is closed, too, as whoever continues a text closes it.
    """
    before, after = [], think(problem, range(begun, len(problem.steps) - 1), habit, rng)
    if begun:
        before = think(problem, range(begun - 1), WANDERING, rng)
        last = think(problem, range(begun - 1, begun), WANDERING, rng)
        cut = rng.randint(1, len(last))
        before, after = [*before, *last[:cut]], [*last[cut:], *after]
    context, answer = render_thinking(problem.question), problem.steps[-1] + TURN_END
    if begun == len(problem.steps) - 1 and not after:
        closed = f"{context}{SEPARATOR.join(before)}\n{THOUGHT}{SEPARATOR}"
        return Example(closed, answer)
    context += "".join(each + SEPARATOR for each in before)
    return Example(context, SEPARATOR.join([*after, THOUGHT, answer]))


def think(problem: Problem, events: range, habit: Habit, rng: random.Random) -> list[str]:
    """Work out these *events* of a story."""
    thoughts: list[str] = []
    for index in events:
        right = problem.steps[index]
        if rng.random() < habit.errs:
            wrong = err(problem, index, rng)
            thoughts += [wrong, recheck(right, wrong), WAIT + right]
        elif rng.random() < habit.checks:
            thoughts += [right, recheck(right, right)]
        else:
            thoughts.append(right)
    return thoughts


def recheck(due: str, claimed: str) -> str:
    """Work a step out again beside what was claimed."""
    verdict = RIGHT if echo(due) == echo(claimed) else WRONG
    return f"{RECHECK}{terse(due)}{echo(claimed)}{verdict}"


def err(problem: Problem, index: int, rng: random.Random) -> str:
    """Return a wrong try at the event that is due, with a wrong result; never an answer."""
    right = problem.steps[index]
    situation = read_situation(problem, index)
    while True:
        wrong = miss_carry(right, rng) if rng.random() < NEAR_MISS else corrupt(situation, rng)
        if extract_answer(wrong) is None and echo(wrong) not in ("", echo(right)):
            return wrong


def thinking_check_sampler(size: int, others: Sampler) -> Sampler:
    """Sample checks among thoughts, and as many batches of *others*, lest those be forgotten."""

    def sample(rng: random.Random) -> Sequence[Example]:
        if rng.random() < OTHER_CHECKS:
            return others(rng)
        events = rng.randint(MIN_EVENTS, MAX_EVENTS)
        index = rng.randrange(events)
        problems = [training_problem(rng, events) for _ in range(size)]
        return [thinking_check(problem, index, rng) for problem in problems]

    return sample


def thinking_check(problem: Problem, index: int, rng: random.Random) -> Example:
    """Check a thought or the answer by itself, whatever comes of it later.

    A second try is judged by the event it is about, a check by the number it says is due.
    """
    kind, good = rng.choice(KINDS), rng.random() < GOOD_CANDIDATES
    if kind == "answer":
        settled = think(problem, range(len(problem.steps) - 1), WANDERING, rng)
        said = problem.answer if good else slip(problem.answer, rng)
        closed = [THOUGHT] * rng.randint(0, 1)
        steps = (*settled, *closed)
        return Check(problem.question, steps, write_answer(said), problem.steps[-1]).example
    right, settled = problem.steps[index], think(problem, range(index), WANDERING, rng)
    candidate = right if good else err(problem, index, rng)
    if kind == "step":
        return Check(problem.question, tuple(settled), vary(candidate, rng), right).example
    tried = right if rng.random() < 0.5 else err(problem, index, rng)
    if kind == "check":
        return check_of_check(problem.question, [*settled, tried], right, good, rng)
    check = [recheck(right, tried)] if tried != right or rng.random() < 0.5 else []
    steps = (*settled, tried, *check)
    return Check(problem.question, steps, WAIT + candidate, right).example


def check_of_check(
    question: str, settled: Sequence[str], due: str, good: bool, rng: random.Random
) -> Example:
    """Check a check: the number it says is due must be, and its verdict must follow from it."""
    operands, _, number = terse(due).rpartition("=")
    said = int(number) if good else slip(int(number), rng)
    claimed = echo(settled[-1])
    verdict = RIGHT if claimed == f"={said}" else WRONG
    candidate = f"{RECHECK}{operands}={said}{claimed}{verdict}"
    judged = GOOD if said == int(number) else BAD
    context = render_check(question, settled, candidate)
    return Example(context, f"{operands}={number}={said}{judged}{TURN_END}")
