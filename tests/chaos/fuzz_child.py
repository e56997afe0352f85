"""One parser under atheris: python -m tests.chaos.fuzz_child TARGET FOLDER [OPTIONS OF LIBFUZZER].

A run's first byte chooses one of the routes the target asks, the others are what it is answered
there. Half of the runs are right answers with something else at some places, so that they are JSON
still; the others are made by libFuzzer, byte by byte, of those that reached new branches of
`rsd_graph.providers`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from unittest.mock import patch

import atheris

with atheris.instrument_imports(include=["rsd_graph.providers"]):
    from tests.chaos.bodies import TARGETS, Target
    from tests.providers.http.test_secrets import held
    from tests.providers.wires import test_any_answer as parsers

WORDS = ("null", "true", "-1", "1e999", "NaN", "2.5", "[[", '{"a":', '"\\ud800"', "[]", "{}")
"""What is put into answers, beside single bytes."""

VALUES = (None, True, -1, 0, 1e999, 2.5, 10**30, "", "0.9", "\ud800", parsers.KEY, [], {})
"""What is put in the place of others."""


class Drawn:
    """In place of what hypothesis draws: the route, the answer and no more headers."""

    def __init__(self, run: bytes) -> None:
        self._route, self._answer = run[0], run[1:]
        self._number = 0

    def draw(self, strategy: Any) -> Any:
        """The next of the three."""
        self._number += 1
        if self._number == 1:
            return strategy.elements[self._route % len(strategy.elements)]
        return self._answer if self._number == 2 else {}


class Changes:
    """Makes the next run: of a right answer of *target*, or of a run that reached something new."""

    def __init__(self, target: Target) -> None:
        self._answers = [target.answers[route] for route in sorted(target.answers)]

    def runs(self) -> list[bytes]:
        """The right answers, one for each route."""
        return [_run(number, answer) for number, answer in enumerate(self._answers)]

    def __call__(self, run: bytes, longest: int, seed: int) -> bytes:
        """See libFuzzer's `LLVMFuzzerCustomMutator`."""
        dice = random.Random(seed)
        if dice.random() < 0.5:
            changed: bytes = atheris.Mutate(run, longest)
            return changed
        number = dice.randrange(len(self._answers))
        answer = [deepcopy(self._answers[number])]
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            _change(answer, dice)
        return _run(number, answer[0])[:longest]


def _run(number: int, answer: Any) -> bytes:
    return bytes([number]) + json.dumps(answer).encode()


def _change(answer: list[Any], dice: random.Random) -> None:
    """One place of *answer* is left out, doubled, or holds something else."""
    places = list(_places(answer))
    inside, place = dice.choice(places)
    other, at = dice.choice(places)
    if inside is answer or (how := dice.randrange(6)) > 1:
        inside[place] = deepcopy(dice.choice((other[at], *VALUES)))
    elif how == 1 and isinstance(inside, list):
        inside.insert(place, deepcopy(inside[place]))
    else:
        del inside[place]


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of an answer, as what holds it and where it is in there."""
    for place in list(node) if isinstance(node, dict) else range(len(node)):
        yield node, place
        if isinstance(node[place], dict | list):
            yield from _places(node[place])


def fuzz(name: str, folder: str, *options: str) -> None:
    """Never returns: libFuzzer ends the process."""
    target = TARGETS[name]
    changes = Changes(target)
    for number, run in enumerate(changes.runs()):
        Path(folder, f"{number}").write_bytes(run)
    (words := Path(f"{folder}.words")).write_text("\n".join(map(json.dumps, WORDS)), "utf-8")

    def one(run: bytes) -> None:
        if run:
            target.test.hypothesis.inner_test(data=Drawn(run), **target.case)

    arguments = [sys.argv[0], f"-dict={words}", *options, folder]
    quick = patch.object(parsers, "told", held)
    with quick, asyncio.Runner() as loop, patch("asyncio.run", loop.run):
        atheris.Setup(arguments, one, custom_mutator=changes)
        atheris.Fuzz()


if __name__ == "__main__":
    fuzz(*sys.argv[1:])
