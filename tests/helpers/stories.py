"""What the shipped models are asked, worked out exactly: the oracle for every sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest

from rsd_graph import answer_text
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
    extract_answer,
)
from rsd_graph.runtime.node import Node

OPERATION = {verb: op for op, verbs in VERBS.items() for verb in verbs}


class Answered(NamedTuple):
    """One finished run of the graph."""

    question: str
    text: str


def right_answer(question: str) -> int:
    """The answer to a story of the shipped models' task, by arithmetic.

    Raises:
        ValueError: The question is no such story.
    """
    lines = question.strip().split("\n")
    start = re.fullmatch(r"(\w+) has (\d+) (\w+)\.", lines[0])
    if start is None or start[1] not in NAMES or start[3] not in ITEMS:
        raise ValueError(f"a story does not start with {lines[0]!r}")
    if lines[-1] != f"How many {start[3]}?" or not MIN_EVENTS <= len(lines) - 2 <= MAX_EVENTS:
        raise ValueError(f"{question!r} has too few or too many events, or another last line")
    return _last_value(int(start[2]), lines[1:-1])


def _last_value(value: int, events: list[str]) -> int:
    """What is left after all *events*, each on the next day, with a verb of its own."""
    used: set[str] = set()
    for day, event in zip(DAYS, events, strict=False):
        said = re.fullmatch(rf"{day} (\w+) (\d+)\.", event)
        if said is None or said[1] not in OPERATION.keys() - used:
            raise ValueError(f"{event!r} is no event of {day}, or its verb was there before")
        result = apply_operation(value, OPERATION[said[1]], int(said[2]))
        if result is None or not SMALLEST <= result <= LARGEST:
            raise ValueError(f"after {event!r} there would be {result}")
        used.add(said[1])
        value = result
    return value


@contextmanager
def every_answer() -> Iterator[list[Answered]]:
    """Every answer that any RSD graph of this process finishes meanwhile, in order."""
    answers: list[Answered] = []
    run = Node.ainvoke

    async def ainvoke(self: Node, input: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        update = await run(self, input, *args, **kwargs)
        if update.get("finish_reason"):
            text = answer_text([*input["steps"], *update["steps"]])
            answers.append(Answered(input["conversation"][-1]["content"], text))
        return update

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Node, "ainvoke", ainvoke)
        yield answers


def wrong(answers: list[Answered]) -> list[tuple[Answered, int]]:
    """The answers that are not right, each with the right one."""
    return [
        (answered, right)
        for answered in answers
        if extract_answer(answered.text) != (right := right_answer(answered.question))
    ]
