"""What our own code costs: CPU per settled step against endpoints that answer at once.

The endpoints are a bare aiohttp server in another process; it does nothing but tell steps apart, so
all the time measured here is the graph, the clients and the accounting. CPU time is that of this
process; wall-clock depends on what else the machine does.

    python -m rsd_graph.lab.latency.overhead            serves the instant endpoints
    python -m rsd_graph.lab.latency.overhead 0.2        the same, with 0.2 s for every step
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import initial_state
from rsd_graph.graph import create_rsd_graph
from rsd_graph.lab.latency.process import serve, started
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.templates import ChatTemplate
from rsd_graph.providers.wires.vllm import VLLMWire

STEPS = 20
"""Steps of every answer."""

PYTHONS_GC = 700
"""New objects between garbage collections, unless somebody says otherwise."""

_STEP_SECONDS = web.AppKey("step_seconds", float)

_TEMPLATE = ChatTemplate("{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<a>", {})


@dataclass(frozen=True, slots=True)
class Overhead:
    """What was measured.

    Attributes:
        gc_threshold: New objects between garbage collections while it was measured.
        steps: Settled steps.
        cpu_ms_per_step: CPU milliseconds of this process per settled step.
        steps_per_s: Settled steps per second of wall-clock.
        memory_mb: Resident memory of this process after each tenth of the steps.
    """

    lookahead: Lookahead
    concurrency: int
    gc_threshold: int
    steps: int
    cpu_ms_per_step: float
    steps_per_s: float
    memory_mb: list[float]


async def measure(
    lookahead: Lookahead, steps: int, concurrency: int = 64, gc_threshold: int = PYTHONS_GC
) -> Overhead:
    """Settle *steps* steps in answers of `STEPS`, *concurrency* at once, three rejected in 20."""
    async with started("rsd_graph.lab.latency.overhead") as url:
        graph = _graph(url, lookahead)
        with _collecting_every(gc_threshold):
            await _answers(graph, concurrency, concurrency)  # connections and caches
            memory = []
            cpu, wall, settled = time.process_time(), time.perf_counter(), 0
            for _ in range(10):
                settled += await _answers(graph, max(1, steps // STEPS // 10), concurrency)
                memory.append(_resident_mb())
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    per_step, rate = 1000 * cpu / settled, settled / wall
    return Overhead(lookahead, concurrency, gc_threshold, settled, per_step, rate, memory)


@contextmanager
def _collecting_every(objects: int) -> Iterator[None]:
    usual, *older = gc.get_threshold()
    gc.set_threshold(objects, *older)
    try:
        yield
    finally:
        gc.set_threshold(usual, *older)


def _graph(url: str, lookahead: Lookahead) -> Any:
    def model(role: Any) -> HostedModel:
        return HostedModel(VLLMWire(Endpoint(f"{url}/v1", role=role), _TEMPLATE))

    return create_rsd_graph(
        draft=model("draft"),
        target=model("target"),
        prm=PoolingPRM(Endpoint(url, role="prm")),
        limits=Limits(max_tokens=100_000, max_steps=STEPS),
        lookahead=lookahead,
    ).compile(checkpointer=False)


async def _answers(graph: Any, count: int, concurrency: int) -> int:
    """Answer *count* questions; how many steps that settled."""
    questions = iter(range(count))

    async def work() -> int:
        return sum(
            [len((await graph.ainvoke(initial_state(f"Question {q}")))["steps"]) for q in questions]
        )

    return sum(await asyncio.gather(*(work() for _ in range(concurrency))))


def _resident_mb() -> float:
    """Resident memory of this process (Linux; 0 elsewhere)."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


async def _completions(request: web.Request) -> web.Response:
    """A step that says where it stands, so that no two of an answer are alike."""
    body = json.loads(await request.read())
    await asyncio.sleep(request.app[_STEP_SECONDS])
    text = f"At character {len(body['prompt'])} we know the next intermediate result of the sum."
    choice = {"index": 0, "text": text, "finish_reason": "stop", "stop_reason": "\n\n"}
    spent = {"prompt_tokens": 100, "completion_tokens": 22, "prompt_tokens_details": None}
    return web.json_response({"choices": [choice], "usage": spent})


async def _pooling(request: web.Request) -> web.Response:
    tags = json.loads(await request.read())["input"].count("<extra_0>")
    rows = [[0.9, 0.1] if number * 7 % 20 < 3 else [0.1, 0.9] for number in range(1, tags + 1)]
    answer = {"data": [{"index": 0, "data": rows}], "usage": {"prompt_tokens": 100}}
    return web.json_response(answer)


async def _serve(step_seconds: float = 0.0) -> None:
    app = web.Application(client_max_size=2**24)
    app[_STEP_SECONDS] = step_seconds
    app.router.add_post("/v1/completions", _completions)
    app.router.add_post("/pooling", _pooling)
    await serve(app)


if __name__ == "__main__":
    asyncio.run(_serve(*map(float, sys.argv[1:])))
