"""The toy arithmetic task the embedded models were trained on, with an exact step checker.

A problem is a short story of three to six events, one per day, each changing one running value::

    Adam has 43 candies.
    Monday loses 33.
    Tuesday times 4.
    How many candies?

Its solution repeats each event, works it out, and ends in a boxed answer.
Every value stays in 2..99, so that models of a hundred thousand parameters can learn it, and
every step can be judged by arithmetic alone, so that rewards can be measured against the truth.
"""

from __future__ import annotations

import hashlib
import random
import re
from dataclasses import dataclass

NAMES = ("Adam", "Bella", "Carl", "Dina", "Emil", "Fay", "Greg", "Hana")
ITEMS = ("candies", "marbles", "stamps", "coins", "shells", "cards", "pens", "books")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
VERBS = {
    "+": ("buys", "finds", "wins"),
    "-": ("sells", "loses", "drops"),
    "*": ("times", "scales"),
    "/": ("splits", "shares"),
}
SMALLEST, LARGEST = 2, 99
FACTORS = range(2, 10)
MIN_EVENTS, MAX_EVENTS = 3, 6
HELD_OUT_ONE_IN = 20
CONTEXT = 1024
"""Tokens the embedded models can read and write, all together."""

_EQUATION = re.compile(r"(?<![\d.])(\d+)\s*([-+*/])\s*(\d+)\s*=\s*(\d+)(?!\d|\.\d|\s*[-+*/=])")
_CHAIN = ("+", "-", "*", "/")  # an operator before the match makes it the tail of a longer sum
_BOXED = re.compile(r"\\boxed\{\s*(\d+)\s*\}")


@dataclass(frozen=True)
class Problem:
    """A question, its canonical steps (the last one states the answer) and that answer."""

    question: str
    steps: tuple[str, ...]
    answer: int


@dataclass(frozen=True)
class Equation:
    """One worked operation, ``left op right = result``, as somebody wrote it."""

    left: int
    op: str
    right: int
    result: int

    @property
    def tight(self) -> str:
        """The canonical spelling, without spaces."""
        return f"{self.left}{self.op}{self.right}={self.result}"

    @property
    def spaced(self) -> str:
        """The same equation for readers who like air."""
        return f"{self.left} {self.op} {self.right} = {self.result}"


Story = tuple[int, list[tuple[str, Equation]]]


def apply_operation(left: int, op: str, right: int) -> int | None:
    """Work out one operation, or ``None`` where the task never goes (remainders, zero divisors)."""
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    if op == "*":
        return left * right
    return left // right if right and left % right == 0 else None


def generate_problem(rng: random.Random, events: int | None = None) -> Problem:
    """Draw one problem; *events* fixes its length, for callers that batch by length."""
    name, item = rng.choice(NAMES), rng.choice(ITEMS)
    count = events or rng.randint(MIN_EVENTS, MAX_EVENTS)
    while (story := _draw_story(count, rng)) is None:
        pass
    start, equations = story
    lines = [f"{day} {verb} {e.right}." for day, (verb, e) in zip(DAYS, equations, strict=False)]
    answer = equations[-1][1].result
    question = "\n".join([f"{name} has {start} {item}.", *lines, f"How many {item}?"])
    steps = [f"{line} {e.tight}." for line, (_, e) in zip(lines, equations, strict=True)]
    return Problem(question, (*steps, f"The answer is \\boxed{{{answer}}}."), answer)


def is_held_out(question: str) -> bool:
    """Tell whether *question* is reserved for testing; training never sees such a question."""
    digest = hashlib.md5(question.encode(), usedforsecurity=False).hexdigest()
    return int(digest, 16) % HELD_OUT_ONE_IN == 0


def held_out_problems(count: int, seed: int = 0) -> list[Problem]:
    """Draw *count* different problems that no embedded model was trained on."""
    rng = random.Random(seed)
    found: dict[str, Problem] = {}
    while len(found) < count:
        problem = generate_problem(rng)
        if is_held_out(problem.question):
            found.setdefault(problem.question, problem)
    return list(found.values())


def is_step_correct(problem: Problem, index: int, text: str) -> bool:
    """Check step *index* by arithmetic, whatever its wording.

    An event step is right if it holds exactly one equation and that equation is the event's own,
    starting from the true previous value. The last step is right if it boxes the true answer.
    """
    if not 0 <= index < len(problem.steps):
        return False
    if index == len(problem.steps) - 1:
        return extract_answer(text) == problem.answer
    return extract_answer(text) is None and find_equation(text) == find_equation(
        problem.steps[index]
    )


def find_equation(text: str) -> Equation | None:
    """Return the only equation in *text*; none, or more than one, is ``None``."""
    match = _EQUATION.search(text)
    if match is None or text.count("=") != 1 or text[: match.start()].rstrip().endswith(_CHAIN):
        return None
    left, op, right, result = match.groups()
    return Equation(int(left), op, int(right), int(result))


def extract_answer(text: str) -> int | None:
    r"""Return the number in the last ``\boxed{}``, if there is one."""
    boxed = _BOXED.findall(text)
    return int(boxed[-1]) if boxed else None


def _draw_story(count: int, rng: random.Random) -> Story | None:
    """Draw a start value and *count* events; ``None`` in a rare dead end.

    No verb occurs twice in one story: "what follows this verb" then has one answer, which is what
    lets the smallest model learn to look an event up at all.
    """
    start = value = rng.randint(SMALLEST, LARGEST)
    events: list[tuple[str, Equation]] = []
    for _ in range(count):
        choices = _choices(value, {verb for verb, _ in events})
        if not choices:
            return None
        op = rng.choice(list(choices))
        right, verb = rng.choice(choices[op][0]), rng.choice(choices[op][1])
        result = apply_operation(value, op, right)
        assert result is not None, "operands are chosen so that the operation is exact"
        events.append((verb, Equation(value, op, right, result)))
        value = result
    return start, events


def _choices(value: int, used: set[str]) -> dict[str, tuple[list[int], list[str]]]:
    """List, by operator, the operands that keep *value* in range and the verbs still unused."""
    free = {op: [verb for verb in verbs if verb not in used] for op, verbs in VERBS.items()}
    fitting = {op: _operands(value, op) for op in VERBS}
    return {op: (fitting[op], free[op]) for op in VERBS if fitting[op] and free[op]}


def _operands(value: int, op: str) -> list[int]:
    """List the right-hand sides that keep *value* in range under *op*."""
    if op == "+":
        return list(range(SMALLEST, LARGEST - value + 1))
    if op == "-":
        return list(range(SMALLEST, value - SMALLEST + 1))
    if op == "*":
        return [n for n in FACTORS if value * n <= LARGEST]
    return [n for n in FACTORS if value % n == 0 and value // n >= SMALLEST]
