"""Whatever happens between a server and us: the right answer, or a typed error with its beginning.

A short round of what `make chaos` does for long; see docs/promises.md.
"""

from __future__ import annotations

import random
from typing import Any

import pytest

from rsd_graph.answer.ledger import empty_ledger
from tests.chaos import faults, server
from tests.chaos.rounds import MODES, Findings, Setting, play
from tests.chaos.server import WorldServer
from tests.chaos.stacks import PRMS, WRITERS, Stack
from tests.chaos.world import Claims, written, wrong_step, wrong_sums


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


def test_who_is_told_that_its_context_is_full_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft's step is the target's, unscored; a target ends the answer, or says where it is."""
    monkeypatch.setattr(server, "HARMFUL", (faults.full_context,))
    found = Findings()
    with WorldServer(seed=1) as world:
        stack = Stack("openai", "vllm", "qwen-prm")
        setting = Setting(stack, "stream", "auto", 0.3, "raise", 16, 0.2, 0.0, 16, timeout=60.0)
        play(setting, world, 0, found)

    told = {role for _, role in world.full}
    assert found.violations == []
    assert told >= {"draft", "target"}
    assert found.errors.keys() == {"none", "ContextOverflowError"}


def test_a_step_that_nobody_scored_and_nobody_counted_is_a_violation() -> None:
    """But for a draft that was told that its context is full: then there was nothing to score."""
    target = written("target", "q1", [])
    step = {"text": target.text, "ended": target.ended, "source": "target", "accepted": False}
    steps: Any = [{**step, "reward": None, "tokens": 0}]
    ledger: Any = {**empty_ledger(), "target_steps": 1}

    assert wrong_step("q1", steps, "", unscored=False, full=Claims()) is not None
    assert wrong_step("q1", steps, "", unscored=False, full=Claims(draft=1)) is None
    assert wrong_sums(steps, ledger, finished=True, full=Claims()) == "unscored 0 != 1"
    assert wrong_sums(steps, ledger, finished=True, full=Claims(draft=1)) is None
