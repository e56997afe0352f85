"""How well the verifier judges: on the draft's own steps, on new wordings, on known mistakes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from rsd_graph.embedded.task import Problem
from training.checks import Check, synthetic_check
from training.reward import score_checks
from training.rewording import reword
from training.rollouts import TEMPERATURES, checks_of, roll_out
from training.speculation import Trio
from training.stats import auroc

Row = dict[str, Any]


def measure_rollouts(trio: Trio, problems: Sequence[Problem], delta: float) -> Row:
    """Score what the draft writes, up to and including its first wrong step."""
    checks = [
        check
        for temperature in TEMPERATURES
        for problem, steps in zip(
            problems, roll_out(trio.draft, problems, trio.tokenizer, temperature), strict=True
        )
        for check in checks_of(problem, steps)
    ]
    return verdict_row(trio, checks, delta)


def measure_corruptions(trio: Trio, problems: Sequence[Problem], delta: float) -> Row:
    """Score synthetic checks, about half of them wrong in one of the ways we know."""
    rng = random.Random(0)
    checks = [synthetic_check(p, i, rng) for p in problems for i in range(len(p.steps))]
    return verdict_row(trio, checks, delta)


def measure_wordings(trio: Trio, problems: Sequence[Problem], delta: float) -> Row:
    """Score right steps in other words, in known and in never-trained templates."""
    rng = random.Random(0)
    result = {}
    for name, held_out in (("known_templates", False), ("held_out_templates", True)):
        checks = [
            Check(p.question, p.steps[:i], reword(step, rng, held_out=held_out), step)
            for p in problems
            for i, step in enumerate(p.steps)
        ]
        result[name] = percent(reward >= delta for reward in rewards_of(trio, checks))
    return result


def verdict_row(trio: Trio, checks: Sequence[Check], delta: float) -> Row:
    """Compare rewards with the truth, at *delta* and over all thresholds."""
    rewards, labels = rewards_of(trio, checks), [check.good for check in checks]
    judged = list(zip(rewards, labels, strict=True))
    return {
        "steps": len(checks),
        "wrong_steps": labels.count(False),
        "auroc": round(auroc(rewards, labels), 4),
        "right_accepted": percent(reward >= delta for reward, good in judged if good),
        "wrong_accepted": percent(reward >= delta for reward, good in judged if not good),
    }


def rewards_of(trio: Trio, checks: Sequence[Check]) -> list[float]:
    """Score checks, dropping how the rewards came about."""
    return [reward for reward, _ in score_checks(trio.prm, checks, trio.tokenizer)]


def percent(outcomes: Iterable[bool]) -> float:
    """Return the percentage of true outcomes."""
    listed = list(outcomes)
    return round(100 * sum(listed) / len(listed), 2)
