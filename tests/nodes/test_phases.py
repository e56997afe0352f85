"""Who writes and who judges in each phase, and what the PRM is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import (
    ConfigurationError,
    Phases,
    Prefix,
    Scores,
    StepRequest,
    candidate,
    constant,
    create_rsd_graph,
    initial_state,
    reward_threshold,
)
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate, Ended
from rsd_graph.answer.thinking import shown_to_prm
from rsd_graph.providers.scripted import FunctionStepModel

EVERYTHING = constant(1)


class Watching:
    """Rewards every step 0.8, and remembers what it was shown and asked."""

    reward_range = (0.0, 1.0)

    def __init__(self) -> None:
        self.seen: list[tuple[list[str], list[str]]] = []

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        steps, asked = [s["text"] for s in prefix.steps], [c["text"] for c in candidates]
        self.seen.append((steps, asked))
        read = sum(len(text.split()) for text in (*steps, *asked))
        return Scores([0.8] * len(candidates), usage(prompt_tokens=read))


def writer(name: str, thoughts: int = 2, answers: int = 2) -> FunctionStepModel:
    """Closes its thinking after so many steps, and ends after so many more."""

    def write(request: StepRequest) -> Candidate:
        number = len(request.prefix.steps) + 1
        ended: Ended = "separator"
        if request.prefix.phase == "thinking" and number == thoughts:
            ended = "closed"
        if number == thoughts + answers:
            ended = "eos"
        return candidate(f"{name}{number}", ended, logprob=-0.7)

    return FunctionStepModel(write)


def answered(phases: Phases, prm: Watching, accept: Any = EVERYTHING, **more: Any) -> Any:
    """The state of a finished answer."""
    models: Any = {"draft": writer("d", **more), "target": writer("t", **more), "prm": prm}
    graph = create_rsd_graph(**models, accept=accept, phases=phases)
    return asyncio.run(graph.compile().ainvoke(initial_state("q", seed=1)))


def told(answer: Any) -> list[tuple[str, float | None]]:
    """Of each settled step the text and the reward of its draft."""
    return [(step["text"], step["reward"]) for step in answer["steps"]]


@pytest.mark.parametrize(
    ("by", "steps", "asked"),
    [
        ("rsd", [("d1", 0.8), ("d2", 0.8), ("d3", 0.8), ("d4", 0.8)], 4),
        ("draft", [("d1", 0.8), ("d2", 0.8), ("d3", None), ("d4", None)], 2),
        ("target", [("d1", 0.8), ("d2", 0.8), ("t3", None), ("t4", None)], 2),
    ],
)
def test_who_writes_the_answer(by: Any, steps: Any, asked: int) -> None:
    """One model alone is asked for it, and its steps are not scored."""
    prm = Watching()

    answer = answered(Phases("on", by), prm)

    assert told(answer) == steps
    assert len(prm.seen) == asked
    assert answer["ledger"]["drafted_steps"] == (2 if by == "target" else 4)
    assert answer["finish_reason"] == "stop"


def test_a_criterion_for_each_phase() -> None:
    """The same reward is good enough for thinking, and not for the answer."""
    accept = {"thinking": reward_threshold(0.7), "answer": reward_threshold(0.9)}

    answer = answered(Phases("on"), Watching(), accept)

    assert told(answer) == [("d1", 0.8), ("d2", 0.8), ("t3", 0.8), ("t4", 0.8)]


@pytest.mark.parametrize(
    ("sees", "seen"),
    [
        ("both", [([], ["d1"]), (["d1"], ["d2"]), (["d1", "d2"], ["d3"])]),
        ("thinking", [([], ["d1"]), (["d1"], ["d2"])]),
        ("answer", [([], ["d3"]), (["d3"], ["d4"])]),
    ],
)
def test_what_the_prm_sees(sees: Any, seen: Any) -> None:
    """One phase or both; the draft's confidence judges what it does not see."""
    prm = Watching()

    answer = answered(Phases("on", prm_sees=sees), prm)

    assert prm.seen[: len(seen)] == seen
    confident = {step["text"] for step in answer["steps"] if step["reward"] != 0.8}
    assert confident == {"both": set(), "thinking": {"d3", "d4"}, "answer": {"d1", "d2"}}[sees]


def test_thresholds_are_checked_against_both_judges() -> None:
    """A delta that neither the PRM nor the confidence can give is refused."""
    with pytest.raises(ConfigurationError, match="outside the PRM's reward range"):
        answered(Phases("on", prm_sees="answer"), Watching(), reward_threshold(1.5))


@pytest.mark.parametrize(
    ("settled", "shown"), [(0, 0), (3, 3), (7, 7), (8, 4), (9, 5), (11, 7), (12, 4), (100, 4)]
)
def test_the_window_moves_in_jumps(settled: int, shown: int) -> None:
    """At least four of the last steps, fewer than eight: between two jumps a prompt only grows."""
    steps = [candidate(str(number)) for number in range(settled)]

    window = shown_to_prm(steps, 4)

    assert list(window) == steps[settled - shown :]


def test_windowed_scoring_reads_tokens_in_proportion_to_the_steps() -> None:
    """Twice as long an answer costs twice as much; without a window, four times."""

    def read(answers: int, window: int | None) -> int:
        answer = answered(Phases(prm_window=window), Watching(), thoughts=0, answers=answers)
        return int(answer["ledger"]["prm"]["prompt_tokens"])

    growth = {window: read(96, window) / read(48, window) for window in (4, None)}

    assert growth[4] == pytest.approx(2, rel=0.1)
    assert growth[None] == pytest.approx(4, rel=0.1)
