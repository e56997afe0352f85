"""The simulated server's arithmetic: passes, batches, caches, queues and aborts."""

from __future__ import annotations

import asyncio

import pytest

from rsd_graph.lab.latency.clock import run_virtual
from rsd_graph.lab.latency.hardware import A100, QWEN_1_5B, QWEN_7B, QWEN_72B, Served, serve
from rsd_graph.lab.latency.scheduler import Engine, PrefixCache

SERVED = Served(
    model=QWEN_7B,
    gpus=1,
    pass_ms=2.0,
    weights_ms=8.0,
    token_ms=1.0,
    context_ms=0.0,
    request_ms=0.0,
    max_seqs=2,
    batched_tokens=64,
)
"""A pass takes 2 ms and 1 ms a token, 8 ms at least; two sequences at once."""


def words(count: int, name: str = "w") -> list[str]:
    """So many tokens that nobody else has."""
    return [f"{name}{number}" for number in range(count)]


async def milliseconds(*jobs: object) -> float:
    """Simulated time until all *jobs* are done."""
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*jobs)  # type: ignore[call-overload]
    return (asyncio.get_running_loop().time() - started) * 1000


def test_a_prompt_takes_one_pass_and_every_further_token_another() -> None:
    """16 prompt tokens cost 2 + 16 ms and bring the first token; two more cost 2 + 8 ms each."""
    engine = Engine(SERVED)

    assert run_virtual(milliseconds(engine.run(words(16), words(3)))) == pytest.approx(38.0)


def test_a_batch_shares_its_passes_until_it_computes_more_than_it_reads() -> None:
    """Decoding two sequences costs what one does: the weights are read once for both."""

    async def measure() -> tuple[float, float]:
        alone = await milliseconds(Engine(SERVED).run(words(2), words(20)))
        engine = Engine(SERVED)
        jobs = (engine.run(words(2, name), words(20)) for name in "ab")
        return alone, await milliseconds(*jobs)

    alone, together = run_virtual(measure())

    assert together == pytest.approx(alone)


def test_a_large_batch_decodes_more_slowly() -> None:
    """16 sequences compute 16 tokens a pass: 2 + 16 ms instead of 2 + 8 ms."""
    assert SERVED.pass_time(16, 0) == 18.0
    assert SERVED.pass_time(1, 0) == 10.0


def test_requests_beyond_max_seqs_wait_their_turn() -> None:
    """The third of three requests starts when a place is free."""
    engine = Engine(SERVED)
    jobs = (engine.run(words(2, name), words(5)) for name in "abc")

    assert run_virtual(milliseconds(*jobs)) == pytest.approx(100.0)


def test_an_abort_frees_its_place_after_the_current_pass() -> None:
    """Cancelling a request lets a waiting one in."""

    async def abort() -> float:
        engine = Engine(SERVED)
        endless = [asyncio.create_task(engine.run(words(2, n), words(10_000))) for n in "ab"]
        waiting = asyncio.create_task(engine.run(words(2, "c"), words(1)))
        await asyncio.sleep(0.095)
        endless[0].cancel()
        await waiting
        endless[1].cancel()
        return asyncio.get_running_loop().time()

    assert run_virtual(abort()) == pytest.approx(0.110)


def test_a_known_prefix_is_not_computed_again_in_blocks_of_16() -> None:
    """Of 40 known tokens, the two full blocks are cached, and the last token never is."""
    cache = PrefixCache()
    cache.add(words(40))

    assert cache.matched(words(45)) == 32
    assert cache.matched(words(32)) == 16
    assert cache.matched(words(45, "other")) == 0


def test_a_generating_server_caches_and_a_prm_does_not() -> None:
    """The second reading of a prompt is free where there is a cache, and costs the same without."""

    async def twice(engine: Engine) -> tuple[int, int]:
        first = await engine.run(words(33), [])
        second = await engine.run(words(33), [])
        return first.cached, second.cached

    assert run_virtual(twice(Engine(SERVED))) == (0, 32)
    assert run_virtual(twice(Engine(SERVED, prefix_cache=None))) == (0, 0)


@pytest.mark.parametrize(
    ("served", "published"),
    [
        (serve(QWEN_1_5B, A100), 183.33),
        (serve(QWEN_7B, A100), 84.28),
        (serve(QWEN_72B, A100, 4), 31.37),
    ],
    ids=["1.5B", "7B", "72B on 4"],
)
def test_the_model_gives_back_the_decode_speeds_it_was_fitted_to(
    served: Served, published: float
) -> None:
    """Tokens per second at batch 1 on the A100 are Qwen's published ones, to half a percent."""
    assert 1000 / served.pass_time(1, 1) == pytest.approx(published, rel=0.005)
