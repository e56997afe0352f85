"""One parser under atheris: python -m tests.chaos.fuzz_child TARGET FOLDER [OPTIONS OF LIBFUZZER].

A run's first byte chooses one of the routes the target asks, the others are what it is answered
there. They begin as right answers; which are changed, and how, depends on the branches of
`rsd_graph.providers` that the ones before reached.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["rsd_graph.providers"]):
    from tests.chaos.bodies import TARGETS
    from tests.providers.wires import test_any_answer as parsers

ROUTES = 5
"""No target asks more of them."""

WORDS = ("null", "true", "-1", "1e999", "NaN", "2.5", "[[", '{"a":', '"\\ud800"', "[]", "{}")
"""What is put into answers, beside single bytes."""


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


def first_answers(folder: Path) -> None:
    """Every right answer there is, for every route, and words to put into them."""
    answers = [*parsers.ANSWERS.values(), *parsers.TOKENIZED.values()]
    answers += [answer for routes in parsers.PRM_ANSWERS.values() for answer in routes.values()]
    for number, answer in enumerate(answers):
        for route in range(ROUTES):
            body = json.dumps(answer).encode()
            (folder / f"{number}-{route}").write_bytes(bytes([route]) + body)


def fuzz(target: str, folder: str, *options: str) -> None:
    """Never returns: libFuzzer ends the process."""
    test, case = TARGETS[target]
    first_answers(Path(folder))
    (words := Path(f"{folder}.words")).write_text("\n".join(map(json.dumps, WORDS)), "utf-8")

    def one(run: bytes) -> None:
        if run:
            test.hypothesis.inner_test(data=Drawn(run), **case)

    atheris.Setup([sys.argv[0], f"-dict={words}", *options, folder], one)
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(*sys.argv[1:])
