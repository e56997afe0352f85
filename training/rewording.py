"""Canonical steps in other words: some to train a PRM on, and some held out to measure it by."""

from __future__ import annotations

import random

from rsd_graph.embedded.task import extract_answer, find_equation

PASSIVE = {
    "buys": "are bought",
    "finds": "are found",
    "wins": "are won",
    "sells": "are sold",
    "loses": "are lost",
    "drops": "are dropped",
    "times": "is the factor",
    "scales": "is the factor",
    "splits": "is the divisor",
    "shares": "is the divisor",
}

STEP_TEMPLATES = (
    "{tight}",
    "{tight}.",
    "{spaced}",
    "{spaced}.",
    "So {tight}.",
    "Then {spaced}.",
    "Next, {tight}.",
    "After {day}: {tight}.",
    "{day}: {spaced}.",
    "On {day} we get {tight}.",
    "{day} {verb} {operand}, so {spaced}.",
    "On {day} {operand} {passive}, so {tight}.",
)
HELD_OUT_STEP_TEMPLATES = (
    "After {day} there are {result}, since {tight}.",
    "We compute {spaced} for {day}.",
    "Then on {day} we get {tight}.",
    "{day} gives {spaced}.",
)
ANSWER_TEMPLATES = (
    "\\boxed{{{result}}}",
    "\\boxed{{{result}}}.",
    "Answer: \\boxed{{{result}}}.",
    "So the answer is \\boxed{{{result}}}.",
    "We get \\boxed{{{result}}}.",
)
HELD_OUT_ANSWER_TEMPLATES = (
    "Then the answer is \\boxed{{{result}}}.",
    "Hence there are \\boxed{{{result}}} left.",
)


def reword(step: str, rng: random.Random, *, held_out: bool = False) -> str:
    """Say a canonical step in other words without changing what it claims.

    With *held_out* the wording comes from templates that training never used, so that a reward
    model's tolerance of new wordings can be measured rather than assumed.
    """
    equation = find_equation(step)
    if equation is None:
        answers = HELD_OUT_ANSWER_TEMPLATES if held_out else ANSWER_TEMPLATES
        return rng.choice(answers).format(result=extract_answer(step))
    templates = HELD_OUT_STEP_TEMPLATES if held_out else STEP_TEMPLATES
    day, verb = step.split()[:2]
    return rng.choice(templates).format(
        tight=equation.tight,
        spaced=equation.spaced,
        day=day,
        verb=verb,
        passive=PASSIVE.get(verb, "changed"),
        operand=equation.right,
        result=equation.result,
    )
