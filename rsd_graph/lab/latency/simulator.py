"""A latency SIMULATION of three vLLM servers in a process of their own, on a real clock.

It speaks vLLM's wire (`/v1/completions` with `stop_reason` and usage, `/tokenize`, `/detokenize`,
`/pooling` at `<extra_0>`, `/v1/models`) under `/draft`, `/target` and `/prm`, takes as
long over each answer as the preset's hardware is believed to (`hardware.py`), and stops working on
a request whose client has gone. The words are the workload's. No model is run.

    python -m rsd_graph.lab.latency.simulator 1.5b-7b-a100 --rejects 0.15

prints its address as one line of JSON and serves until it is terminated.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.process import serve, started
from rsd_graph.lab.latency.simulated import Judge, Seats, Simulated, Writer, Written
from rsd_graph.lab.latency.workload import SEPARATOR, Workload, render
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm import PoolingPRM
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.providers.wires.vllm import VLLMWire

TITLE = "latency-SIM"
"""What process listings show for this process (Linux)."""

Handler = Callable[[dict[str, object]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def simulator(preset: str, workload: Workload) -> AsyncIterator[Seats]:
    """Start the simulation in its own process; our real providers, connected to it."""
    options = (f"--rejects={workload.rejects}", f"--seed={workload.seed}")
    async with started("rsd_graph.lab.latency.simulator", preset, *options) as url:
        yield seats_at(url, workload)


def seats_at(url: str, workload: Workload) -> Seats:
    """Our providers for the three servers under *url*."""
    draft, target = (
        HostedModel(VLLMWire(Endpoint(f"{url}/{role}/v1", role, role=role, max_concurrency=512)))
        for role in ("draft", "target")
    )
    prm = PoolingPRM(Endpoint(f"{url}/prm", "prm", role="prm", max_concurrency=512))
    return Seats(draft, target, prm, workload)


def application(servers: Simulated) -> web.Application:
    """The routes of all three servers."""
    app = web.Application(client_max_size=2**24)
    for author in (servers.draft.writer, servers.target.writer):
        root = f"/{author.author}"
        app.router.add_post(f"{root}/v1/completions", _json(_completions(author)))
        app.router.add_post(f"{root}/tokenize", _json(_tokenize))
        app.router.add_post(f"{root}/detokenize", _json(_detokenize))
        app.router.add_get(f"{root}/v1/models", _models(author.author))
    app.router.add_post("/prm/pooling", _json(_pooling(servers.prm.judge)))
    app.router.add_get("/prm/v1/models", _models("prm"))
    return app


def _json(handler: Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(await handler(await request.json()))

    return answer


def _models(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        card = {"id": name, "object": "model", "max_model_len": 16_384}
        return web.json_response({"object": "list", "data": [card]})

    return answer


def _completions(writer: Writer) -> Handler:
    async def complete(body: dict[str, Any]) -> dict[str, object]:
        one_step = SEPARATOR in (body.get("stop") or [])
        written = await writer.complete(body["prompt"], body["max_tokens"], one_step=one_step)
        return _completion(writer.author, written)

    return complete


def _completion(model: str, written: Written) -> dict[str, object]:
    """As vLLM says how a text ended: `stop_reason` is null at the end of the text and at length."""
    choice = {
        "index": 0,
        "text": written.text,
        "logprobs": None,
        "finish_reason": "length" if written.ended == "length" else "stop",
        "stop_reason": SEPARATOR if written.ended == "separator" else None,
    }
    job = written.job
    return {
        "id": "cmpl-simulated",
        "object": "text_completion",
        "model": model,
        "choices": [choice],
        "usage": {
            "prompt_tokens": job.prompt_tokens,
            "completion_tokens": job.written,
            "total_tokens": len(job.tokens),
            "prompt_tokens_details": {"cached_tokens": job.cached},
        },
    }


async def _tokenize(body: dict[str, Any]) -> dict[str, Any]:
    """Code points stand in for token ids: they are only asked for to be turned back into text."""
    text = render(body["messages"]) if "messages" in body else body["prompt"]
    ids = [ord(character) for character in text]
    return {"tokens": ids, "count": len(ids), "max_model_len": 16_384}


async def _detokenize(body: dict[str, Any]) -> dict[str, object]:
    return {"prompt": "".join(map(chr, body["tokens"]))}


def _pooling(judge: Judge) -> Handler:
    async def pool(body: dict[str, Any]) -> dict[str, object]:
        """Step pooling answers rows for one prompt, the last token one row for each of several."""
        prompts = body["input"] if isinstance(body["input"], list) else [body["input"]]
        rewards, jobs = await judge.rewards(prompts[-1], len(prompts))
        rows = [[1 - reward, reward] for reward in rewards]
        found = rows[-len(prompts) :] if judge.fleet.engines[0].served.prefix_cache else [rows]
        read = sum(job.prompt_tokens for job in jobs)
        return {
            "id": "pool-simulated",
            "object": "list",
            "data": [{"index": n, "object": "pooling", "data": row} for n, row in enumerate(found)],
            "usage": {"prompt_tokens": read, "total_tokens": read},
        }

    return pool


def main() -> None:
    """Serve one preset until terminated."""
    parser = argparse.ArgumentParser(description="A latency SIMULATION of three vLLM servers.")
    parser.add_argument("preset", choices=presets())
    parser.add_argument("--rejects", type=float, default=0.15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    with contextlib.suppress(OSError):  # there is no /proc but on Linux
        Path("/proc/self/comm").write_text(TITLE)
    workload = Workload(rejects=options.rejects, seed=options.seed)
    with contextlib.suppress(KeyboardInterrupt):
        servers = Simulated.of(presets()[options.preset], workload)
        asyncio.run(serve(application(servers), options.port, latency_simulation=True))


if __name__ == "__main__":
    main()
