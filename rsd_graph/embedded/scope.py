"""What the shipped models can be asked, and what to say where they are asked anything else."""

from __future__ import annotations

import re

from rsd_graph.embedded.task import (
    DAYS,
    ITEMS,
    LARGEST,
    MAX_EVENTS,
    MIN_EVENTS,
    NAMES,
    SMALLEST,
    VERBS,
    apply_operation,
)

SCOPE = (
    "The models shipped with rsd-graph solve stories of three to six events that change one "
    "amount, such as 'Carl has 14 cards. Monday buys 65. ... How many cards?', a sentence a line, "
    "and nothing else."
)
"""What they can do, for whoever asks them anything."""

_START = re.compile(r"(\w+) has (\d+) (\w+)\.")
_EVENT = re.compile(r"(\w+) (\w+) (\d+)\.")
_SEAT = re.compile(r"(?:[\w-]+\+)?embedded:(?:thinking-)?(?:draft|target|prm)(?:\?.*)?")


def notice(question: str, *seats: object) -> str | None:
    """What to say beside an answer to *question*, if a shipped model sits in one of the *seats*.

    Nothing is to be said of a story they were made for, or if all models are yours.
    """
    if not any(map(is_shipped, seats)) or is_story(question):
        return None
    return f"{SCOPE} This question is no such story."


def is_shipped(seat: object) -> bool:
    """Tell whether an endpoint string names a model that comes with the package."""
    return isinstance(seat, str) and _SEAT.fullmatch(seat) is not None


def is_story(question: str) -> bool:
    """Tell whether *question* is a story as the embedded models know them, whoever wrote it."""
    first, *events, last = question.strip().split("\n") if "\n" in question.strip() else ("", "")
    start = _START.fullmatch(first)
    if start is None or start[1] not in NAMES or start[3] not in ITEMS:
        return False
    if last != f"How many {start[3]}?" or not MIN_EVENTS <= len(events) <= MAX_EVENTS:
        return False
    return _stays_in_range(int(start[2]), events)


def _stays_in_range(value: int, events: list[str]) -> bool:
    """Whether each event is the next day's, has a verb of its own, and leaves a usable amount."""
    operations = {verb: op for op, verbs in VERBS.items() for verb in verbs}
    for day, event in zip(DAYS, events, strict=False):
        said = _EVENT.fullmatch(event)
        op = operations.pop(said[2], None) if said and said[1] == day else None
        after = apply_operation(value, op, int(said[3])) if said and op else None
        if after is None or not SMALLEST <= after <= LARGEST:
            return False
        value = after
    return SMALLEST <= value <= LARGEST
