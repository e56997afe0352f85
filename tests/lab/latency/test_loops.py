"""Every arm answers the same questions with the same words; only the time differs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from rsd_graph.errors import Role
from rsd_graph.lab.latency.hardware import Served
from rsd_graph.lab.latency.loops import Answered, graph_arm
from rsd_graph.lab.latency.measure import HEDGED, LOOKAHEAD, bounds, growth, row, run
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.simulated import Simulated
from rsd_graph.lab.latency.simulator import application, simulator
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.providers.prm.format import qwen_prm_prompt

PRESET = presets()["1.5b-7b-a100"]
STEP_POOLING = presets()["1.5b-7b-a100-step"]
WORKLOAD = Workload(rejects=0.3, steps=8)
SHORT = min(range(100), key=Workload().length)
"""A question with a short answer: the simulation over HTTP takes real time."""
MIDDLING = min(range(100), key=lambda question: abs(WORKLOAD.length(question) - WORKLOAD.steps))
"""A question whose answer is as long as they are on the whole."""


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
    (path,) = bounds(preset, WORKLOAD, [MIDDLING])
    seconds = {
        arm: run(arm, preset, WORKLOAD, [MIDDLING], 1)[0][0].latency
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


def test_prm_tokens_grow_linearly_where_the_prm_reads_its_cache() -> None:
    """30 % rejected: twice the steps, twice the tokens; behind step pooling, far more than that."""
    (cached,) = growth(PRESET, 0.3, {"lookahead auto": "auto"}, (9, 18))
    (rereading,) = growth(STEP_POOLING, 0.3, {"lockstep": None}, (9, 18))

    assert cached.exponent < 1.05
    assert rereading.exponent > 1.3


def test_auto_keeps_the_waste_near_its_share_when_the_prm_is_the_bottleneck() -> None:
    """16 answers at once, a rereading PRM: a tenth of the draft tokens in vain, twice the pace."""
    preset = STEP_POOLING
    loop = row("lockstep", preset, Workload(), range(32), 16)
    auto = row("lookahead auto", preset, Workload(), range(32), 16)

    assert auto.waste < 0.13
    assert auto.per_second > 2 * loop.per_second


@pytest.mark.parametrize("slow", ["draft", "prm"])
def test_auto_never_loses_to_the_sequential_loop(slow: Role) -> None:
    """16 answers at once, and a model that computes 20 times as slowly as it should: a queue."""
    preset = PRESET.changed(lambda served: replace(served, token_ms=20 * served.token_ms), slow)

    sequential, auto = (
        row(arm, preset, Workload(steps=8), range(32), 16)
        for arm in ("sequential", "lookahead auto")
    )

    assert auto.per_second > 0.98 * sequential.per_second
    assert auto.waste < 0.05


def test_replicas_share_the_work_and_an_answer_stays_with_one() -> None:
    """Two of each serve 16 answers as one of each serves 8; the cache loses nothing."""
    twice = PRESET.changed(lambda served: replace(served, replicas=2))

    one = row("sequential", PRESET, WORKLOAD, range(16), 8)
    two = row("sequential", twice, WORKLOAD, range(32), 16)

    assert two.per_second == pytest.approx(2 * one.per_second, rel=0.25)
    assert two.prm_tokens == pytest.approx(one.prm_tokens, rel=0.15)


def test_the_steady_rate_is_littles_law() -> None:
    """Answers in flight over their mean latency, whatever the stragglers do at the end."""
    found = row("target only", PRESET, Workload(), range(128), 32)

    assert found.per_second == pytest.approx(32 / found.mean, rel=0.1)


def test_a_free_model_costs_no_time() -> None:
    """With draft and PRM free, what is left is the target's work."""
    free = PRESET.changed(Served.free, "draft", "prm")

    ((answered,), servers) = run("sequential", free, WORKLOAD, [3], 1)

    target_s = answered.ledger["target"]["ms"] / 1000
    assert answered.latency == pytest.approx(target_s)
    assert servers.engines["prm"][0].computed_tokens > 0


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


@pytest.mark.parametrize("preset", ["1.5b-7b-h100", "1.5b-7b-h100-step"])
def test_our_providers_get_the_same_answers_over_http(preset: str) -> None:
    """The simulation in its own process, through the real wire, PRM and client: same steps."""
    expected, _ = run("lookahead 2", presets()[preset], Workload(), [SHORT], 1)

    async def over_http() -> list[Answered]:
        async with simulator(preset, Workload()) as seats:
            return await graph_arm([SHORT], 1, seats, 2)

    (answered,) = asyncio.run(over_http())

    assert answered.steps == expected[0].steps
    assert answered.ledger["draft"]["cache_unreported_calls"] == 0


async def test_a_list_of_nested_prompts_gets_a_verdict_each() -> None:
    """As vLLM answers where it judges the last token: flat pairs, one for each prompt."""
    steps = [" ".join(WORKLOAD.step("draft", 0, index)[:-1]) for index in range(2)]
    asked = WORKLOAD.conversation(0)
    whole = qwen_prm_prompt(asked, steps, "<extra_0>").split("<extra_0>")
    prompts = [f"{whole[0]}<extra_0>", f"{whole[0]}<extra_0>{whole[1]}<extra_0>"]
    servers = Simulated.of(presets()["1.5b-7b-h100"], WORKLOAD)

    async with TestClient(TestServer(application(servers))) as client:
        answer = await (await client.post("/prm/pooling", json={"input": prompts})).json()

    rejected = [WORKLOAD.rejected(0, index) for index in range(2)]
    expected = [pytest.approx([0.9, 0.1] if bad else [0.1, 0.9]) for bad in rejected]
    assert [item["data"] for item in answer["data"]] == expected
