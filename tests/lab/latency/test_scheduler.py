"""The simulated server's arithmetic: passes, batches, caches, queues and aborts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.lab.latency.clock import run_virtual
from rsd_graph.lab.latency.hardware import A100, QWEN_1_5B, QWEN_7B, QWEN_72B, Served, serve
from rsd_graph.lab.latency.scheduler import Engine

SERVED = Served(
    model=QWEN_7B,
    gpus=1,
    pass_ms=2.0,
    weights_ms=8.0,
    token_ms=1.0,
    context_ms=0.0,
    kv_tokens=160_000,
    max_seqs=2,
    batched_tokens=64,
    request_ms=0.0,
    api_ms=0.0,
    api_token_ms=0.0,
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

    async def cached() -> list[int]:
        engine = Engine(SERVED)
        await engine.run(words(40))
        prompts = (words(45), words(32), words(45, "other"))
        return [(await engine.run(prompt)).cached for prompt in prompts]

    assert run_virtual(cached()) == [32, 16, 0]


def test_with_step_pooling_nothing_is_ever_found() -> None:
    """The second reading of a prompt costs what the first did."""

    async def twice() -> tuple[int, int]:
        engine = Engine(replace(SERVED, prefix_cache=False))
        jobs = [await engine.run(words(33)) for _ in range(2)]
        return engine.computed_tokens, jobs[1].cached

    assert run_virtual(twice()) == (66, 0)


def test_nested_prompts_of_one_request_share_their_blocks_in_one_pass() -> None:
    """Blocks are known from when they are scheduled: 40 tokens, then 8 and 16 more."""

    async def nested() -> tuple[float, int]:
        engine = Engine(replace(SERVED, max_seqs=8))
        text = words(56)
        took = await milliseconds(engine.run_all([text[:40], text[:48], text]))
        return took, engine.computed_tokens

    assert run_virtual(nested()) == (pytest.approx(2.0 + 64), 40 + 16 + 8)


def test_what_was_unused_for_longest_is_overwritten_first() -> None:
    """Room for six blocks: the third text takes the place of the first, from its end on."""

    async def cached() -> list[int]:
        engine = Engine(replace(SERVED, kv_tokens=96))
        for name in "abc":
            await engine.run(words(33, name))
        return [(await engine.run(words(33, name))).cached for name in "cba"]

    assert run_virtual(cached()) == [32, 32, 0]


def test_a_full_cache_makes_the_last_request_start_over() -> None:
    """Two answers grow until only one fits; both are finished, one after the other."""

    async def both() -> tuple[list[int], int]:
        engine = Engine(replace(SERVED, kv_tokens=96))
        jobs = await asyncio.gather(*(engine.run(words(16, name), words(48)) for name in "ab"))
        return [job.written for job in jobs], engine.preemptions

    assert run_virtual(both()) == ([48, 48], 1)


def test_an_answer_that_never_fits_is_refused() -> None:
    """Waiting for room would be waiting for ever."""
    engine = Engine(replace(SERVED, kv_tokens=96))

    with pytest.raises(ConfigurationError, match="room for 96 tokens"):
        run_virtual(engine.run(words(90), words(48)))


@pytest.mark.parametrize(("processes", "expected"), [(1, 60.0), (2, 40.0)])
def test_requests_queue_for_an_api_process(processes: int, expected: float) -> None:
    """Three requests of 10 ms CPU each, 20 ms on an idle server, then a pass of 10 ms.

    One process lets them in after 20, 30 and 40 ms, and two after 20, 20 and 30.
    """
    engine = Engine(replace(SERVED, api_ms=10.0, request_ms=20.0, api_processes=processes))
    jobs = (engine.run(words(2, name)) for name in "abc")

    assert run_virtual(milliseconds(*jobs)) == pytest.approx(expected - 10 * (processes == 1))


def test_models_on_one_gpu_take_turns() -> None:
    """Two engines that share a GPU need twice the time for a pass each."""

    async def together() -> float:
        gpu = asyncio.Lock()
        engines = [Engine(SERVED, gpu) for _ in range(2)]
        return await milliseconds(*(engine.run(words(16), words(2)) for engine in engines))

    assert run_virtual(together()) == pytest.approx(2 * (18.0 + 10.0))


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
