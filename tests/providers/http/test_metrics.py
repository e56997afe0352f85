"""vLLM's counters. The page is that of a live vLLM 0.32.0, cut to what is read and its like."""

from __future__ import annotations

import pytest
from aiohttp import web
from pydantic import SecretStr

from rsd_graph import Endpoint
from rsd_graph.providers.http import client
from rsd_graph.providers.http.metrics import CacheCounters, cache_counters, read_counters
from tests.helpers.fake_endpoint import FakeEndpoint

PAGE = """\
# HELP vllm:prefix_cache_queries_total Prefix cache queries, in terms of number of queried tokens.
# TYPE vllm:prefix_cache_queries_total counter
vllm:prefix_cache_queries_total{engine="0",model_name="plug"} 362.0
vllm:prefix_cache_queries_created{engine="0",model_name="plug"} 1.795861778103099e+09
vllm:prefix_cache_hits_total{engine="0",model_name="plug"} 256.0
vllm:prompt_tokens_total{engine="0",model_name="plug"} 362.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="plug"} 9.0
vllm:request_success_total{engine="0",finished_reason="abort",model_name="plug"} 1.0
vllm:cache_config_info{_block_size_resolved="True",block_size="32",cache_dtype="auto",\
effective_attention_block_size="64",enable_prefix_caching="True",engine="0"} 1.0
"""


async def page(_: web.Request) -> web.Response:
    return web.Response(text=PAGE)


async def test_the_counters_of_a_server() -> None:
    """From its root, whatever the endpoint's own path; the key goes along."""
    async with FakeEndpoint({"/metrics": page}) as server:
        found = await cache_counters(Endpoint(f"{server.url}/v1", "plug", api_key=SecretStr("k")))

    assert found == CacheCounters(requests=10, queries=362, hits=256, block_size=32)
    assert [headers["Authorization"] for _, headers, _ in server.requests] == ["Bearer k"]


def test_engines_are_added_up() -> None:
    """Data-parallel engines count each for itself."""
    second = PAGE.replace('engine="0"', 'engine="1"')

    assert read_counters(PAGE + second) == CacheCounters(20, 724, 512, 32)


def test_what_happened_between() -> None:
    """The difference of two readings."""
    assert CacheCounters(9, 300, 200, 16) - CacheCounters(4, 100, 50, 16) == (
        CacheCounters(5, 200, 150, 16)
    )


@pytest.mark.parametrize("text", ["", "llamacpp:prompt_tokens_total 9\n", "{}"])
async def test_other_servers_have_none(text: str) -> None:
    """Another server's metrics, or what a gateway answers to anything."""

    async def other(_: web.Request) -> web.Response:
        return web.Response(text=text)

    async with FakeEndpoint({"/metrics": other}) as server:
        assert await cache_counters(server.endpoint) is None


async def test_nobody_to_ask_is_no_error() -> None:
    """No route, and nobody there at all."""
    async with FakeEndpoint() as server:
        assert await cache_counters(server.endpoint) is None

    assert await cache_counters(Endpoint("http://127.0.0.1:9/v1", timeout=5)) is None


async def test_a_page_without_an_end_is_read_no_further_than_any_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is too long to be one of vLLM's is no error either."""
    monkeypatch.setattr(client, "MOST_BYTES", len(PAGE) - 1)
    async with FakeEndpoint({"/metrics": page}) as server:
        assert await cache_counters(server.endpoint) is None


async def test_infinitely_many_are_no_count() -> None:
    """Prometheus can say so."""

    async def infinite(_: web.Request) -> web.Response:
        return web.Response(text=PAGE.replace("362.0", "+Inf"))

    async with FakeEndpoint({"/metrics": infinite}) as server:
        assert await cache_counters(server.endpoint) is None
