"""The doctor proves that a server reads its prefix cache, or says that nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rsd_graph import Endpoint, Prefix, RewardError, Usage
from rsd_graph.providers.facts import ServerFacts
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.llamacpp import LlamaCppWire
from rsd_graph.providers.wires.vllm import VLLMWire
from rsd_graph.stacks.doctor import APPLES
from rsd_graph.stacks.doctor.cache import examine_cache
from rsd_graph.stacks.doctor.finding import Seat
from tests.conftest import Serve
from tests.helpers.bigram import write_bigram_model
from tests.helpers.doctor_support import BIGRAM, LIMITS, at, diagnose, diagnose_prm, unfit
from tests.helpers.fake_servers.vllm import Cache, FakeVLLM

READ, OUTLIVES = "reads its prefix cache", "cache outlives its slots"


@pytest.mark.parametrize("cache", ["reported", "counted"])
async def test_a_cache_that_is_read_passes(cache: Cache) -> None:
    """By what the second answer reports, or else by the counters of the server."""
    async with FakeVLLM(cache=cache, judges="last token") as server:
        writer = await diagnose(VLLMWire(at(server)))
        judge = await diagnose_prm(PoolingPRM(at(server)))

    assert (unfit(writer), unfit(judge)) == ({}, {})
    assert "0 of" not in writer[READ].detail + judge[READ].detail
    assert "prompt tokens came from it" in writer[READ].detail


async def test_step_pooling_is_warned_about_and_the_mend_named() -> None:
    """The counters do not move: every score re-reads the whole answer."""
    async with FakeVLLM(cache="counted") as server:
        found = await diagnose_prm(PoolingPRM(at(server)))

    assert unfit(found) == {READ: "warn"}
    assert found[READ].detail.startswith("0 of ")
    assert "rsd-graph split-prm" in found[READ].fix
    assert "Qwen2LastStepReward" in found[READ].fix


async def test_another_pooling_than_the_last_is_warned_about() -> None:
    """A verdict of the right shape from a server that reads no cache: LAST is named."""
    async with FakeVLLM(cache="counted", judges="last token", block=10_000) as server:
        found = await diagnose_prm(PoolingPRM(at(server)))

    assert found[READ].verdict == "warn"
    assert "is its pooling LAST" in found[READ].fix


async def test_large_blocks_are_warned_about() -> None:
    """What does not fill a block is read again."""
    async with FakeVLLM(cache="counted", judges="last token", block=64) as server:
        found = await diagnose(VLLMWire(at(server)))

    assert unfit(found) == {READ: "warn"}
    assert found[READ].detail.endswith("in blocks of 64")
    assert "--block-size 16" in found[READ].fix


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (lambda: FakeVLLM(), "no counters at /metrics"),
        (lambda: FakeVLLM("is counted elsewhere", cache="counted"), "of another server"),
    ],
    ids=["hidden", "another's"],
)
async def test_what_nobody_tells_is_said(server: Callable[[], FakeVLLM], why: str) -> None:
    """A proxy hides the route, or stands before several servers: no guess is made."""
    async with server() as at_work:
        found = await diagnose(VLLMWire(at(at_work)))

    assert found[READ].verdict == "pass"
    assert found[READ].detail.startswith("cannot tell: ")
    assert why in found[READ].detail


@pytest.mark.parametrize(("ram", "verdict"), [(0, "warn"), (256, "pass")])
async def test_llamacpp_without_its_ram_cache_is_warned_about(
    serve_gguf: Serve, tmp_path: Path, ram: int, verdict: str
) -> None:
    """The real server, with more answers than slots: RAM keeps their prompts, or nothing does."""
    server = serve_gguf(write_bigram_model(tmp_path / "bigram.gguf"), cache_ram_mib=ram)

    found = await diagnose(LlamaCppWire(server), BIGRAM, LIMITS)

    assert found[READ].verdict == "pass"
    assert found[OUTLIVES].verdict == verdict
    assert ("--cache-ram" in found[OUTLIVES].fix) == (ram == 0)


async def test_a_prm_that_does_not_judge_long_answers_is_no_failure() -> None:
    """The probe is not the PRM's work: without a verdict on it nothing is known of the cache."""

    async def ask(prefix: Prefix) -> Usage:
        raise RewardError("the PRM gave no verdict: none in 16 tokens.")

    seat = Seat("prm", APPLES, LIMITS, "\n\n", ServerFacts(slots=2))
    endpoint = Endpoint("http://127.0.0.1:9", timeout=5)

    checks = [check async for check in examine_cache(seat, endpoint, ask, fix="")]

    assert [(check.name, check.verdict) for check in checks] == [(READ, "pass"), (OUTLIVES, "pass")]
    assert all(check.detail.startswith("cannot tell: it does not judge") for check in checks)
