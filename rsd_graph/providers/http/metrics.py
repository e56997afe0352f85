"""What vLLM counts about its prefix cache, from `GET /metrics`: for benches and the doctor.

Its pooling routes report no cached tokens (vLLM 0.32, entrypoints/pooling/utils.py), so these
counters are the only witness. They are the server's, not a request's: other traffic is in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rsd_graph.errors import ProviderError
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint

_SAMPLE = re.compile(r"^vllm:(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class CacheCounters:
    """A vLLM's counters since it was started; subtract two to see what happened between.

    Attributes:
        requests: Requests it has finished.
        queries: Prompt tokens looked up in the prefix cache.
        hits: Prompt tokens found there.
        block_size: Tokens in a block: only whole blocks are found.
    """

    requests: int
    queries: int
    hits: int
    block_size: int | None = None

    def __sub__(self, before: CacheCounters) -> CacheCounters:
        """What was counted since *before*."""
        return CacheCounters(
            self.requests - before.requests,
            self.queries - before.queries,
            self.hits - before.hits,
            self.block_size,
        )


async def cache_counters(endpoint: Endpoint) -> CacheCounters | None:
    """The counters of the server at *endpoint*; `None` where it shows none of vLLM's.

    A proxy may hide the route, and another server has other counters. One try, and no error.
    """
    client = Client(endpoint)
    try:
        return read_counters(await client.page("/metrics"))
    except (ProviderError, ValueError, OverflowError):
        return None
    finally:
        await client.aclose()


def read_counters(text: str) -> CacheCounters | None:
    """The counters in a page of Prometheus metrics, summed over engines; `None` if there are none.

    Raises:
        ValueError: A value that is no number.
        OverflowError: One that is infinite.
    """
    queries = list(_values(text, "prefix_cache_queries_total"))
    if not queries:
        return None
    return CacheCounters(
        requests=round(sum(_values(text, "request_success_total"))),
        queries=round(sum(queries)),
        hits=round(sum(_values(text, "prefix_cache_hits_total"))),
        block_size=_block_size(text),
    )


def _values(text: str, name: str) -> Iterator[float]:
    return (float(sample["value"]) for sample in _SAMPLE.finditer(text) if sample["name"] == name)


def _block_size(text: str) -> int | None:
    for sample in _SAMPLE.finditer(text):
        told = dict(_LABEL.findall(sample["labels"])).get("block_size", "")
        if sample["name"] == "cache_config_info" and told.isdecimal():
            return int(told)
    return None
