"""Requests in flight find their level: bounded, lowered by refusals, as many as pays."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_graph import Endpoint
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import RetryPolicy
from rsd_graph.providers.http.level import Gate, Level, watched_levels
from tests.helpers.fake_endpoint import FakeEndpoint

ONCE = RetryPolicy(attempts=1)

Happening = tuple[bool, float, int]
"""(refused, seconds, in flight)"""

HAPPENINGS = st.lists(
    st.tuples(st.booleans(), st.floats(0, 1e6), st.integers(1, 2000)), max_size=20
)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 1024), st.booleans(), HAPPENINGS, st.integers(1, 300))
def test_the_limit_stays_between_one_and_the_most(
    most: int, searches: bool, happenings: list[Happening], times: int
) -> None:
    """Whatever happens, however often, in whichever order."""
    level = Level(most, searches)
    seen = {level.limit}
    for refused, seconds, in_flight in happenings:
        for _ in range(times):
            if refused:
                level.refused(level.round)
            else:
                level.answered(level.round, seconds, in_flight)
            seen.add(level.limit)

    assert min(seen) >= 1
    assert max(seen) <= most


@given(st.integers(2, 1024), st.booleans())
def test_a_refusal_lowers_it_once_for_all_that_was_under_way(most: int, searches: bool) -> None:
    """A burst of a thousand refusals is one piece of news."""
    level = Level(most, searches)
    before, began = level.limit, level.round
    for _ in range(1000):
        level.refused(began)

    assert level.limit == max(1, int(before * 0.7))


def test_without_refusals_a_number_stays_what_it_is() -> None:
    """However slow the server is: nobody asked for another."""
    level = Level(64)
    for seconds in range(10_000):
        level.answered(level.round, float(seconds), 64)

    assert level.limit == 64


def test_after_a_refusal_it_rises_by_one_for_each_round_of_answers() -> None:
    """Until it is what was asked for."""
    level, seen = Level(20), [20]
    level.refused(level.round)
    for _ in range(500):
        level.answered(level.round, 1.0, 14)
        seen.append(level.limit)

    assert (seen[1], seen[-1]) == (14, 20)
    assert all(later - earlier in (0, 1) for earlier, later in pairwise(seen[1:]))


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 200))
def test_it_finds_how_many_a_server_works_on_at_once(slots: int) -> None:
    """One that queues what is beyond its slots: no fewer than 0.6, no more than twice as many."""
    level = Level(1024, searches=True)
    seen = []
    for _ in range(60):
        seen.append(level.limit)
        began, many = level.round, level.limit
        while level.round == began:
            level.answered(began, max(1.0, many / slots), many)

    settled = seen[30:]
    assert slots * 0.6 - 1 <= min(settled)
    assert max(settled) <= slots * 2 + 1


def test_it_does_not_starve_a_server_that_batches() -> None:
    """One whose answers take twice as long with 64 at once, and that writes 32 times as many."""
    level, rates = Level(1024, searches=True), list[float]()
    for _ in range(60):
        began, many = level.round, level.limit
        rates.append(many / (1 + many / 64))
        while level.round == began:
            level.answered(began, 1 + many / 64, many)

    assert min(rates[30:]) > 0.55 * 64


def test_what_nobody_uses_is_not_raised() -> None:
    """With ten answers at a time the limit stays near ten."""
    level = Level(1024, searches=True)
    for _ in range(10_000):
        level.answered(level.round, 1.0, min(10, level.limit))

    assert level.limit == 16


async def test_a_gate_is_first_come_first_served_and_loses_no_place() -> None:
    """Whoever gives up while waiting, or just as its turn comes, is passed over."""
    gate, order = Gate(Level(1)), list[int]()
    go = asyncio.Event()

    async def one(number: int) -> None:
        async with gate.turn():
            order.append(number)
            await go.wait()

    tasks = [asyncio.create_task(one(number)) for number in range(5)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[2].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert [number for number in order if number != 2] == [0, 3, 4]
    assert gate.inside == 0


async def test_a_server_that_refuses_is_asked_for_less() -> None:
    """429 and 503 count, with or without a wish; whoever watches sees it, by role and address."""
    async with FakeEndpoint() as server:
        server.script("/route", (429, {"error": "busy"}, {"Retry-After": "1"}), (503, "x"))
        client = Client(Endpoint(server.url, role="draft", max_concurrency=100, retry=ONCE))
        with watched_levels() as levels:
            for _ in range(2):
                with pytest.raises(Exception, match="HTTP"):
                    await client.post("/route", {}, dict)

    assert {name: level.limit for name, level in levels.items()} == {f"draft {server.url}": 49}


async def test_a_mistake_of_ours_says_nothing_about_load() -> None:
    """Nor does a server that is broken."""
    async with FakeEndpoint() as server:
        server.script("/route", (400, "no"), (500, "broken"))
        client = Client(Endpoint(server.url, max_concurrency=100, retry=ONCE))
        with watched_levels() as levels:
            for _ in range(2):
                with pytest.raises(Exception, match="HTTP"):
                    await client.post("/route", {}, dict)

    assert [level.limit for level in levels.values()] == [100]


def test_auto_is_a_word_of_an_endpoint_string() -> None:
    """Bounded by 1,024; another word is refused."""
    from rsd_graph import ConfigurationError, step_model

    model = step_model("vllm+http://h/v1?max_concurrency=auto#m", "draft")

    assert model.endpoint.most_in_flight == 1024  # type: ignore[attr-defined]
    with pytest.raises(ConfigurationError, match="max_concurrency"):
        step_model("vllm+http://h/v1?max_concurrency=some#m", "draft")
