"""A world in which everything is decided by the prefix: what is written next, and what it is worth.

A step's name is a hash of who writes it, the question and the step before it. So a prompt tells
whether it holds the whole prefix, in order, and an answer can be checked step by step without
asking anybody.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from rsd_graph.answer.ledger import Ledger
from rsd_graph.answer.state import Step

KEY = "sk-canary-5e1f0b"
"""Sent to every server, and quoted by some."""

SEPARATOR = "\n\n"
DELTA = 0.7
LONGEST = 6
"""Steps of the longest answer."""

_NAME = re.compile(r"\b[dt][0-9a-f]{10}\b")
_QUESTION = re.compile(r"\bq\d+\b")


class Written(NamedTuple):
    """One step of the world."""

    name: str
    ended: str

    @property
    def text(self) -> str:
        """Its words."""
        return f"{self.name} takes {int(self.name[1:3], 16)} apples."


class WrongPrefixError(Exception):
    """Somebody was sent steps that no answer of this world has in this order."""


def chance(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but *parts*."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def question(number: int) -> str:
    """A question; its answers share no step with another's."""
    return f"How many apples are in q{number}?"


def written(role: str, asked: str, before: Sequence[str]) -> Written:
    """What this role writes after the steps of these names."""
    digest = hashlib.sha256(repr((role, asked, before[-1:])).encode()).hexdigest()
    name = role[0] + digest[:10]
    is_last = len(before) + 1 == LONGEST or chance(name, "end") < 0.2
    return Written(name, "eos" if is_last else "separator")


def worth(name: str) -> float:
    """The PRM's probability that this step is good: clearly above delta, or clearly below."""
    if chance(name, "good") < 0.7:
        return 0.9 + 0.09 * chance(name, "how good")
    return 0.01 + 0.5 * chance(name, "how bad")


def asked_in(text: str) -> str | None:
    """The name of the question in a text, if one is there."""
    found = _QUESTION.search(text)
    return found[0] if found else None


def read(prompt: str) -> tuple[str, list[str]]:
    """The question and the names of the steps in a prompt.

    Raises:
        WrongPrefixError: They are no prefix of an answer.
    """
    asked, names = asked_in(prompt), _NAME.findall(prompt)
    if asked is None:
        raise WrongPrefixError(prompt)
    for index, name in enumerate(names):
        before = names[:index]
        if name not in {written(role, asked, before).name for role in ("draft", "target")}:
            raise WrongPrefixError(prompt)
    return asked, names


class Claims(NamedTuple):
    """How often draft and target were told, for one question, that their context is full."""

    draft: int = 0
    target: int = 0


def wrong_step(
    asked: str, steps: Sequence[Step], read_out: str, unscored: bool, full: Claims
) -> str | None:
    """What is wrong with the first step that is not the world's; `None` if all are.

    Args:
        asked: The question's name.
        steps: Settled ones, from the first.
        read_out: How the PRM's family says a probability: see `rewards`.
        unscored: Whether the target may stand in for a draft that nobody could score.
        full: A draft that finds no room is the target's, unscored; a target's step ends the answer.
    """
    before: list[str] = []
    for index, step in enumerate(steps):
        draft, target = (written(role, asked, before) for role in ("draft", "target"))
        is_good = worth(draft.name) >= DELTA
        right = draft if step["source"] == "draft" else target
        told = step["reward"]
        if told is None:
            is_right = (unscored or full.draft > 0) and step["source"] == "target"
        else:
            is_told = math.isclose(told, rewards(read_out, draft.name), rel_tol=1e-6)
            is_right = is_told and is_good == (step["source"] == "draft")
        is_end = step["source"] == "target" and full.target > 0 and index == len(steps) - 1
        wrote = right.text, right.ended
        ended = (wrote, ("", "context")) if is_end else (wrote,)
        if not is_right or (step["text"], step["ended"]) not in ended:
            return f"step {index} of {asked}: {step}"
        before.append(right.name)
    return None


def rewards(read_out: str, name: str) -> float:
    """The reward that a family makes of the world's probability."""
    return 2 * worth(name) - 1 if read_out == "difference" else worth(name)


def wrong_sums(steps: Sequence[Step], ledger: Ledger, finished: bool, full: Claims) -> str | None:
    """What does not add up in the ledger of an answer of these steps; `None` if all does."""
    by_draft = sum(step["tokens"] for step in steps if step["source"] == "draft")
    by_target = sum(step["tokens"] for step in steps if step["source"] == "target")
    accepted = sum(step["accepted"] for step in steps)
    drafted, target = ledger["draft"]["completion_tokens"], ledger["target"]["completion_tokens"]
    went = ledger["discarded_draft_tokens"] + ledger["wasted_draft_tokens"]
    sums: dict[str, tuple[Any, Any]] = {
        "accepted steps": (ledger["accepted_steps"], accepted),
        "target steps": (ledger["target_steps"], len(steps) - accepted),
        "kept tokens": (ledger["kept_draft_tokens"], by_draft),
    }
    if finished:
        sums["draft tokens"] = (drafted, by_draft + went)
        sums["target tokens"] = (target, by_target + ledger["wasted_target_tokens"])
        unscored = sum(step["reward"] is None for step in steps)
        uncounted = min(full.draft, max(0, unscored - ledger["prm_failures"]))
        sums["unscored"] = (ledger["prm_failures"] + uncounted, unscored)
    wrong = [f"{name} {a} != {b}" for name, (a, b) in sums.items() if a != b]
    return ", ".join(wrong) or None
