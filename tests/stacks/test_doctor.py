"""The doctor passes what is right; `stacks/test_doctor_faults.py` shows it what is wrong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rsd_graph import (
    RewardModel,
    ScriptedRewardModel,
    StepModel,
    StepRequest,
    candidate,
)
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.providers.scripted import FunctionStepModel
from rsd_graph.stacks.doctor import SHIPPED, Check, examine, speed
from rsd_graph.stacks.doctor.speed import throughput

_OF_EVERY_ENDPOINT = ["reachable", "key accepted", "model served", "answers", "context length"]
_OF_A_WRITER = [
    *_OF_EVERY_ENDPOINT,
    "template",
    "prefix continued exactly",
    "one BOS",
    "separator and end told apart",
    "temperature 0 is greedy",
    "no sampling default leaks in",
    "sampling obeyed",
    "reads its prefix cache",
    "cache outlives its slots",
    "throughput",
]
_OF_A_PRM = [
    *_OF_EVERY_ENDPOINT,
    "tells right from wrong",
    "rewards in [0, 1]",
    "scores a run of steps",
    "reads its prefix cache",
    "cache outlives its slots",
    "throughput",
]


def writer(ending: str = "eos", *, drifts: bool = False) -> FunctionStepModel:
    """Two steps and an end; one that *drifts* writes something else at every call."""
    calls = iter(range(1000))

    def write(request: StepRequest) -> Candidate:
        number = next(calls) if drifts else len(request.prefix.steps)
        last = len(request.prefix.steps) >= 2
        return candidate(f"step {number}", ending if last else "separator")  # type: ignore[arg-type]

    return FunctionStepModel(write)


def prm(*rewards: float) -> ScriptedRewardModel:
    """One that first answers, then says this, and then whatever the throughput is taken from."""
    return ScriptedRewardModel([0.9, *rewards, *[0.9] * 11])


async def findings(
    draft: StepModel, target: StepModel, prm: RewardModel, **settings: str
) -> dict[str, Check]:
    """Every check by role and name."""
    checks = examine(draft, target, prm, **settings)  # type: ignore[arg-type]
    return {f"{c.role}: {c.name}": c async for c in checks}


async def test_the_shipped_stack_is_fit() -> None:
    """On real servers and the shipped models, nothing fails; the small context is told."""
    pytest.importorskip("xllamacpp")
    draft = step_model("embedded:draft", "draft")
    target = step_model("embedded:target", "target")

    checks = [c async for c in examine(draft, target, reward_model("embedded:prm"), SHIPPED)]

    names = [(check.role, check.name) for check in checks]
    assert names == [
        *(("draft", name) for name in _OF_A_WRITER),
        *(("target", name) for name in _OF_A_WRITER),
        *(("prm", name) for name in _OF_A_PRM),
    ]
    unfit = {(check.name, check.verdict) for check in checks if check.verdict != "pass"}
    assert unfit - {("throughput", "warn")} == {("context length", "warn")}  # of a busy machine
    assert "1024 tokens" in next(c.detail for c in checks if c.name == "context length")


async def test_models_of_ones_own_have_no_address_to_check() -> None:
    """What is no endpoint is asked to write and to score; nothing is made up about a server."""
    found = await findings(writer(), writer(), prm(0.9, 0.1, 0.9, 0.1, 0.1))

    assert [name for name in found if name.startswith("draft")] == [
        "draft: answers",
        "draft: separator and end told apart",
        "draft: temperature 0 is greedy",
        "draft: throughput",
    ]
    assert {check.verdict for check in found.values()} == {"pass"}


async def test_a_prm_read_the_wrong_way_round_fails() -> None:
    """A wrong step that scores above the right one is a swapped label, not a matter of delta."""
    found = await findings(writer(), writer(), prm(0.1, 0.9, 0.1, 0.9, 0.9))

    assert found["prm: tells right from wrong"].verdict == "fail"


async def test_a_prm_that_scores_runs_differently_fails() -> None:
    """Look-ahead scores several steps at once: they must be scored as they are one by one."""
    found = await findings(writer(), writer(), prm(0.9, 0.1, 0.9, 0.8, 0.1))

    assert found["prm: scores a run of steps"].verdict == "fail"


async def test_a_server_that_samples_at_temperature_zero_is_warned_about() -> None:
    """Two greedy requests with two texts: something is drawn at random."""
    found = await findings(writer(drifts=True), writer(), prm(0.9, 0.1, 0.9, 0.1, 0.1))

    assert found["draft: temperature 0 is greedy"].verdict == "warn"
    assert found["target: temperature 0 is greedy"].verdict == "pass"


async def test_a_model_that_never_ends_is_warned_about() -> None:
    """An answer that shows no end of text cannot be told apart from its steps."""
    found = await findings(writer("length"), writer(), prm(0.9, 0.1, 0.9, 0.1, 0.1))

    assert found["draft: separator and end told apart"].verdict == "warn"


async def test_the_stacks_own_separator_is_used() -> None:
    """A stack may separate its steps by something else than a blank line."""
    separators = set()

    def write(request: StepRequest) -> Candidate:
        separators.add(request.prefix.separator)
        return candidate("x", "eos")

    model = FunctionStepModel(write)

    await findings(model, model, prm(0.9, 0.1, 0.9, 0.1, 0.1), separator="\n")

    assert separators == {"\n"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time that the throughput is taken from."""
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    return now


async def test_a_server_that_queues_is_warned_about(clock: list[float]) -> None:
    """Eight at once take eight times as long as one: 10 requests a second, either way."""

    async def ask() -> int:
        clock[0] += 0.1
        return 5

    assert await throughput(ask) == (
        "warn",
        "one at a time 10 requests/s, 50 tokens/s; 8 at once 10 requests/s, 50 tokens/s",
        "It works on one request at a time: raise its parallel slots.",
    )


async def test_a_server_that_batches_passes(clock: list[float]) -> None:
    """Eight at once are done a little later than one."""
    times = iter([0.1, 0.2, 0.3, *[0.5] * 8])

    async def ask() -> int:
        clock[0] = next(times)
        return 5

    verdict, seen, _ = await throughput(ask)

    assert verdict == "pass"
    assert seen == "one at a time 10 requests/s, 50 tokens/s; 8 at once 40 requests/s, 200 tokens/s"


async def test_a_verdict_on_the_drafts_words_needs_them() -> None:
    """And of a cascade the PRM is examined like any other, from the first word on."""
    prm = reward_model("cascade:0.0,0.97,free:lowest,embedded:prm")
    target = step_model("embedded:target", "target")

    async def seen(draft: str) -> dict[str, Check]:
        writer = step_model(draft, "draft")
        checks = [c async for c in examine(writer, target, prm, SHIPPED)]
        return {check.name: check for check in checks if check.role == "prm"}

    silent, telling = await seen("embedded:draft"), await seen("embedded:draft?logprobs=on")

    assert silent["reads log-probabilities"].verdict == "fail"
    assert "logprobs=on" in silent["reads log-probabilities"].fix
    assert telling["reads log-probabilities"].verdict == "pass"
    assert telling["tells right from wrong"].verdict == "pass"
