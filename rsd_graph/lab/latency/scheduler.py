"""A simulated inference server: continuous batching as vLLM's scheduler does it, minus the maths.

A request first takes its turn at one of the server's API processes. Each pass of the running batch
then computes one token of every sequence that is decoding and, with what is left of the token
budget, prompts that are not cached. If the KV cache is full, the request that came last starts over
later. How long a pass takes is `hardware.py`'s business; the loop's clock (real or virtual) decides
how long that is for the caller. Not simulated: speculative decoding inside a server, and what
handing out tokens costs its CPU.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.latency.hardware import Served
from rsd_graph.lab.latency.kv_cache import BLOCK, Blocks, KVCache


@dataclass(eq=False, slots=True)
class Job:
    """One sequence: a prompt to read and *output* to write after it (nothing, for a PRM)."""

    tokens: list[str]
    output: Sequence[str]
    done: asyncio.Future[None]
    blocks: Blocks = field(default_factory=Blocks)
    cached: int = -1
    computed: int = 0
    written_at: list[float] = field(default_factory=list)
    in_pass: int = 0

    @property
    def written(self) -> int:
        """Tokens that were written."""
        return len(self.written_at)

    def times_of(self, ends: Collection[str]) -> list[float]:
        """The clock when each token that is one of *ends* was written."""
        written = self.tokens[self.prompt_tokens :]
        return [at for token, at in zip(written, self.written_at, strict=True) if token in ends]

    @property
    def prompt_tokens(self) -> int:
        """Tokens that were read."""
        return len(self.tokens) - self.written


class Engine:
    """One replica of a model's server.

    Args:
        served: What a pass costs, and how much fits in one.
        gpu: Held during a pass; models that share GPUs share it.

    Attributes:
        computed_tokens: In all passes so far.
        busy_ms: How long passes took so far.
        preemptions: Requests that had to start over.
    """

    def __init__(self, served: Served, gpu: asyncio.Lock | None = None) -> None:
        self.served = served
        self.computed_tokens = 0
        self.busy_ms = 0.0
        self.preemptions = 0
        self._gpu = gpu or asyncio.Lock()
        self._takes_turns = gpu is not None
        self._cache = KVCache(served.kv_tokens, reads_prefixes=served.prefix_cache)
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._worker: asyncio.Task[None] | None = None
        self._api_free_at = [0.0] * served.api_processes

    async def run(self, prompt: Sequence[str], output: Sequence[str] = ()) -> Job:
        """Read *prompt*, write *output*; cancelling it frees its place after the current pass."""
        return (await self.run_all([prompt], output))[0]

    async def run_all(
        self, prompts: Sequence[Sequence[str]], output: Sequence[str] = ()
    ) -> list[Job]:
        """Several prompts in one request.

        Raises:
            ConfigurationError: The KV cache does not hold even one of them.
        """
        loop = asyncio.get_running_loop()
        jobs = [Job(list(prompt), output, loop.create_future()) for prompt in prompts]
        self._check(jobs)
        await self._enter(sum(len(prompt) for prompt in prompts))
        self._waiting += jobs
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        await asyncio.gather(*(job.done for job in jobs))
        return jobs

    def _check(self, jobs: Sequence[Job]) -> None:
        longest = max(len(job.tokens) + len(job.output) for job in jobs)
        if longest + BLOCK > self.served.kv_tokens:
            raise ConfigurationError(
                f"{self.served.model.name} has room for {self.served.kv_tokens} tokens of KV cache",
                expected=f"room for one answer of {longest}",
                hint="Give it more GPUs, or GPUs of its own.",
            )

    async def _enter(self, tokens: int) -> None:
        """Parsing and tokenizing occupy an API process; on an idle server they take as long."""
        now, served = asyncio.get_running_loop().time(), self.served
        cpu_s = (served.api_ms + tokens * served.api_token_ms) / 1000
        process = min(range(len(self._api_free_at)), key=self._api_free_at.__getitem__)
        starts = max(now, self._api_free_at[process])
        self._api_free_at[process] = starts + cpu_s
        await asyncio.sleep(starts - now + max(cpu_s, served.request_ms / 1000))

    async def _work(self) -> None:
        """Pass after pass, on time to the microsecond: a late wake-up is not added up."""
        loop = asyncio.get_running_loop()
        ends = loop.time()
        while self._waiting or self._running:
            async with self._gpu:
                ends = loop.time() if self._takes_turns else ends
                if not self._schedule():
                    continue
                ends += self._pass_ms() / 1000
                await asyncio.sleep(ends - loop.time())
                self._end_pass()

    def _pass_ms(self) -> float:
        tokens = sum(job.in_pass for job in self._running)
        context = sum(job.computed for job in self._running if job.in_pass)
        took = self.served.pass_time(tokens, context)
        self.computed_tokens += tokens
        self.busy_ms += took
        return took

    def _schedule(self) -> bool:
        """Who computes how much in the next pass; false if there is nothing to do."""
        self._drop_ended()
        before, budget = self.preemptions, self.served.batched_tokens
        for job in list(self._running):
            if job.done.done() or job not in self._running:
                continue
            job.in_pass = min(len(job.tokens) - job.computed, budget)
            if self._make_room(job):
                budget -= job.in_pass
        while self._waiting and before == self.preemptions and self._admit(budget):
            budget -= self._running[-1].in_pass
        return bool(self._running)

    def _make_room(self, job: Job) -> bool:
        """Room for what *job* computes next, made by whoever came last; false if that is *job*."""
        while not self._cache.grow(job.blocks, job.tokens, job.computed + job.in_pass):
            last = self._running.pop()
            self._cache.release(last.blocks)
            self._waiting.appendleft(last)
            self.preemptions += 1
            if last is job:
                return False
        return True

    def _admit(self, budget: int) -> bool:
        """Let the first of those waiting in, if there are tokens, places and blocks for it."""
        job = self._waiting[0]
        if budget <= 0 or len(self._running) >= self.served.max_seqs:
            return False
        job.blocks = self._cache.take_known(job.tokens)
        job.computed = len(job.blocks.places) * BLOCK
        missing = len(job.tokens) - job.computed
        is_whole = self.served.prefix_cache or not self._running or missing <= budget
        job.in_pass = min(missing, budget)
        if not is_whole or not self._cache.grow(job.blocks, job.tokens, job.computed + job.in_pass):
            self._cache.release(job.blocks)
            return False
        if job.cached < 0:  # what starting over finds is no news
            job.cached = job.computed
        self._running.append(self._waiting.popleft())
        return True

    def _end_pass(self) -> None:
        """Whoever has read everything writes one token, or is finished."""
        now = asyncio.get_running_loop().time()
        for job in self._running:
            job.computed += job.in_pass
            if job.computed == len(job.tokens):
                if job.written < len(job.output):
                    job.tokens.append(job.output[job.written])
                    job.written_at.append(now)
                if job.written == len(job.output) and not job.done.done():
                    job.done.set_result(None)

    def _drop_ended(self) -> None:
        """Finished and aborted requests leave; what they computed stays until it is overwritten."""
        for job in self._running:
            if job.done.done():
                self._cache.release(job.blocks)
        self._running = [job for job in self._running if not job.done.done()]
        self._waiting = deque(job for job in self._waiting if not job.done.done())
