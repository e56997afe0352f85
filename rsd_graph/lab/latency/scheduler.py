"""A simulated inference server: continuous batching as vLLM's scheduler does it, minus the maths.

Each pass of the running batch computes one token of every sequence that is decoding and, with what
is left of the token budget, prompts that are not cached. How long a pass takes is `hardware.py`'s
business; the loop's clock (real or virtual) decides how long that is for the caller. Not simulated:
preemption (the KV caches of all presets hold 512 answers) and speculative decoding inside a server.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from rsd_graph.lab.latency.hardware import Served


@dataclass(eq=False, slots=True)
class Job:
    """One request: a prompt to read and *output* to write after it (nothing, for a PRM)."""

    tokens: list[str]
    output: Sequence[str]
    done: asyncio.Future[None]
    cached: int = 0
    computed: int = 0
    written: int = 0
    in_pass: int = 0


class PrefixCache:
    """Which prefixes have been computed, in blocks of 16 tokens like vLLM's; never evicted."""

    _BLOCK = 16

    def __init__(self) -> None:
        self._known: set[int] = set()

    def matched(self, tokens: Sequence[str]) -> int:
        """How many leading tokens need no computing; the last token always does."""
        count = 0
        for key in self._keys(tokens[: len(tokens) - 1]):
            if key not in self._known:
                break
            count += self._BLOCK
        return count

    def add(self, tokens: Sequence[str]) -> None:
        """Remember every full block."""
        self._known.update(self._keys(tokens))

    def _keys(self, tokens: Sequence[str]) -> list[int]:
        keys, parent = [], 0
        for start in range(0, len(tokens) - self._BLOCK + 1, self._BLOCK):
            parent = hash((parent, *tokens[start : start + self._BLOCK]))
            keys.append(parent)
        return keys


@dataclass(slots=True)
class Engine:
    """One model's server.

    Attributes:
        served: What a pass costs, and how much fits in one.
        prefix_cache: `None` for PRMs: vLLM's step pooling computes every prompt anew, whole.
        busy_ms: Time spent in passes.
    """

    served: Served
    prefix_cache: PrefixCache | None = field(default_factory=PrefixCache)
    busy_ms: float = 0.0
    _waiting: deque[Job] = field(default_factory=deque)
    _running: list[Job] = field(default_factory=list)
    _worker: asyncio.Task[None] | None = None

    async def run(self, prompt: Sequence[str], output: Sequence[str] = ()) -> Job:
        """Read *prompt*, write *output*; cancelling it frees its place after the current pass."""
        await asyncio.sleep(self.served.request_ms / 1000)
        loop = asyncio.get_running_loop()
        job = Job(list(prompt), output, loop.create_future())
        self._waiting.append(job)
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        await job.done
        return job

    async def _work(self) -> None:
        """Pass after pass, on time to the microsecond: a late wake-up is not added up."""
        loop = asyncio.get_running_loop()
        ends = loop.time()
        while self._schedule():
            tokens = sum(job.in_pass for job in self._running)
            context = sum(job.computed for job in self._running if job.in_pass)
            elapsed = self.served.pass_time(tokens, context)
            self.busy_ms += elapsed
            ends += elapsed / 1000
            await asyncio.sleep(ends - loop.time())
            self._end_pass()

    def _schedule(self) -> bool:
        """Who computes how much in the next pass; false if there is nothing to do."""
        self._drop_aborted()
        budget = self.served.batched_tokens
        for job in self._running:
            job.in_pass = min(len(job.tokens) - job.computed, budget)
            budget -= job.in_pass
        while self._waiting and len(self._running) < self.served.max_seqs:
            job = self._waiting[0]
            missing = len(job.tokens) - self._cached(job)
            if budget == 0 or (self._whole_prompts and self._running and missing > budget):
                break
            self._running.append(self._waiting.popleft())
            job.in_pass = min(missing, budget)
            budget -= job.in_pass
        return bool(self._running)

    @property
    def _whole_prompts(self) -> bool:
        """Without a prefix cache a prompt is never split over two passes."""
        return self.prefix_cache is None

    def _cached(self, job: Job) -> int:
        if self.prefix_cache is not None:
            job.cached = job.computed = self.prefix_cache.matched(job.tokens)
        return job.computed

    def _end_pass(self) -> None:
        """Whoever has read everything writes one token, or is finished."""
        for job in self._running:
            job.computed += job.in_pass
            if job.computed == len(job.tokens):
                if job.written < len(job.output):
                    job.tokens.append(job.output[job.written])
                    job.written += 1
                if job.written == len(job.output) and not job.done.done():
                    job.done.set_result(None)

    def _drop_aborted(self) -> None:
        """Finished and aborted requests leave; what they computed stays in the prefix cache."""
        for job in self._running:
            if job.done.done() and self.prefix_cache is not None:
                self.prefix_cache.add(job.tokens[: job.computed])
        self._running = [job for job in self._running if not job.done.done()]
        self._waiting = deque(job for job in self._waiting if not job.done.done())
