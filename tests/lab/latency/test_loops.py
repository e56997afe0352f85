"""Every arm answers the same questions with the same words; only the time differs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rsd_graph.lab.latency.hardware import presets
from rsd_graph.lab.latency.loops import Answered, graph_arm
from rsd_graph.lab.latency.measure import HEDGED, LOOKAHEAD, bounds, growth, row, run
from rsd_graph.lab.latency.simulator import simulator
from rsd_graph.lab.latency.workload import Workload

PRESET = presets()["1.5b-7b-a100"]
STEP_POOLING = presets()["1.5b-7b-a100-step"]
WORKLOAD = Workload(rejects=0.3, steps=8)
SHORT = min(range(100), key=Workload().length)
"""A question with a short answer: the simulation over HTTP takes real time."""


@pytest.mark.parametrize("arm", [*LOOKAHEAD, HEDGED])
@pytest.mark.parametrize("concurrency", [1, 6])
def test_the_graph_settles_what_the_papers_loop_settles(arm: str, concurrency: int) -> None:
    """Same authors and words, answer by answer, alone and six at once."""
    loop, _ = run("lockstep", PRESET, WORKLOAD, range(6), concurrency)
    ours, _ = run(arm, PRESET, WORKLOAD, range(6), concurrency)

    assert [answer.steps for answer in ours] == [answer.steps for answer in loop]
    assert any(author == "target" for answer in loop for author, _ in answer.steps)


@pytest.mark.parametrize("preset", presets().values(), ids=lambda preset: preset.name)
def test_the_critical_path_is_a_bound_and_lookahead_comes_near_it(preset: Any) -> None:
    """On the virtual clock: path <= look-ahead <= sequential = lockstep, for a single answer."""
    (path,) = bounds(preset, WORKLOAD, [3])
    seconds = {
        arm: run(arm, preset, WORKLOAD, [3], 1)[0][0].latency
        for arm in ("lockstep", "sequential", "lookahead 2")
    }

    assert path.hedged <= path.seconds <= seconds["lookahead 2"] * (1 + 1e-9)
    assert seconds["lookahead 2"] < seconds["sequential"]
    assert seconds["sequential"] == pytest.approx(seconds["lockstep"])


def test_a_hedge_takes_time_off_and_costs_target_tokens() -> None:
    """One answer after the other, 30 % rejected: faster than look-ahead alone, and not for free."""
    plain, hedged = (row(arm, PRESET, WORKLOAD, range(6), 1) for arm in ("lookahead 2", HEDGED))

    assert hedged.mean < plain.mean
    assert hedged.target_tokens == plain.target_tokens
    assert hedged.target_waste > plain.target_waste == 0


def test_prm_tokens_grow_linearly_where_runs_are_verified() -> None:
    """Step pooling: doubling the steps doubles a verified run's PRM tokens, the loop's do more."""
    loop, ahead = growth(STEP_POOLING, 0.0, {"lockstep": None, "lookahead 32": 32}, (9, 18))

    assert ahead.exponent < 1.1
    assert loop.exponent > 1.3
    assert ahead.prm_tokens[1] < loop.prm_tokens[1] / 3


def test_auto_keeps_the_waste_near_its_share_when_the_prm_is_the_bottleneck() -> None:
    """48 answers at once: about a tenth of the draft tokens in vain, and twice the loop's pace."""
    loop = row("lockstep", PRESET, Workload(), range(48), 48)
    auto = row("lookahead auto", PRESET, Workload(), range(48), 48)

    assert auto.waste < 0.13
    assert auto.per_second > 2 * loop.per_second


def test_more_rejections_contain_the_fewer_ones() -> None:
    """The steps rejected at 15 % are rejected at 25 % too, so that the arms' rows compare."""
    places = [(question, index) for question in range(30) for index in range(20)]
    few = {place for place in places if Workload(rejects=0.15).rejected(*place)}
    many = {place for place in places if Workload(rejects=0.25).rejected(*place)}

    assert few < many
    assert 0.10 < len(few) / len(places) < 0.20


def test_the_workload_has_the_papers_shape() -> None:
    """About 18 steps and 396 draft tokens an answer."""
    workload, questions = Workload(), range(400)
    steps = [workload.length(question) for question in questions]
    tokens = [
        len(workload.step("draft", question, index))
        for question in questions
        for index in range(workload.length(question))
    ]

    assert sum(steps) / 400 == pytest.approx(18, rel=0.1)
    assert sum(tokens) / 400 == pytest.approx(396, rel=0.1)


def test_our_providers_get_the_same_answers_over_http() -> None:
    """The simulation in its own process, through the real wire, PRM and client: same steps."""
    expected, _ = run("lookahead 2", presets()["1.5b-7b-h100"], Workload(), [SHORT], 1)

    async def over_http() -> list[Answered]:
        async with simulator("1.5b-7b-h100", Workload()) as seats:
            return await graph_arm([SHORT], 1, seats, 2)

    (answered,) = asyncio.run(over_http())

    assert answered.steps == expected[0].steps
    assert answered.ledger["draft"]["cache_unreported_calls"] == 0
