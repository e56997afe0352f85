"""Whatever happens between a server and us: the right answer, or a typed error with its beginning.

A short round of what `make chaos` does for long; see docs/promises.md.
"""

from __future__ import annotations

import random

import pytest

from tests.chaos.rounds import MODES, Findings, Setting, play
from tests.chaos.server import WorldServer
from tests.chaos.stacks import PRMS, WRITERS, Stack


def test_without_faults_every_stack_answers() -> None:
    """Each wire writes as draft and target, each family of PRMs judges: the world is understood."""
    found, writers = Findings(), list(WRITERS)
    with WorldServer(seed=1) as server:
        for number, prm in enumerate(PRMS):
            stack = Stack(writers[number % len(writers)], writers[number % len(writers) - 1], prm)
            setting = Setting(stack, "ainvoke", 0, None, "raise", 8, 0.0, 0.0, 2, timeout=60.0)
            play(setting, server, 0, found)

    assert found.violations == []


@pytest.mark.parametrize("mode", MODES)
def test_faults_are_survived_or_told(mode: str) -> None:
    """The right answer step by step, or an error of ours with role, endpoint and what was right."""
    dice, found = random.Random(mode), Findings()
    with WorldServer(seed=2) as server:
        for number in range(2):
            drawn = Setting.drawn(dice, in_flight=[16])
            setting = Setting(**{**vars(drawn), "mode": mode, "questions": 16, "rate": 0.3})
            play(setting, server, 100 * number, found)

    assert found.violations == []
    assert server.injected.total() > 20
