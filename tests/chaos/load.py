"""Many answers at once, for long: memory, descriptors and tasks stay flat, and every step is right.

Also from many event loops, many threads, and from processes made while an answer streams.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from rsd_graph import ChatRSD
from tests.chaos.report import Part
from tests.chaos.server import WorldServer
from tests.chaos.stacks import Stack
from tests.chaos.world import question, wrong_step

IN_FLIGHT = 256
LOOPS = 1000
THREADS = 64
QUESTIONS = 10_000
_STACK = Stack("vllm", "llamacpp", "qwen-prm, last token")


class Sample(NamedTuple):
    """What one process holds."""

    memory_mib: int
    descriptors: int
    tasks: int


def _sample() -> Sample:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") // 2**20
    return Sample(memory, len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()))  # noqa: PTH208


def chat_at(url: str) -> ChatRSD:
    """A chat model on the world at *url*."""
    models = _STACK.models(url, timeout=300.0, in_flight=IN_FLIGHT)
    return ChatRSD(draft=models.draft, target=models.target, prm=models.prm, lookahead=2, hedge=0.5)


class Load:
    """The checks, and what they found."""

    def __init__(self, url: str) -> None:
        self.chat = chat_at(url)
        self.violations: list[str] = []
        self.answers = 0

    def check(self, number: int, message: Any) -> None:
        """One answer: whole, and every step the world's."""
        steps = message.response_metadata["rsd"]["steps"]
        wrong = wrong_step(f"q{number}", steps, _STACK.read_out, unscored=False)
        wrong = wrong or (None if steps[-1]["ended"] == "eos" else "no end")
        self.violations += [wrong] if wrong else []
        self.answers += 1

    async def soak(self, seconds: float) -> list[Sample]:
        """So many answers in flight for so long; what the process held, twenty times."""
        until, numbers, samples = time.monotonic() + seconds, itertools.count(), list[Sample]()

        async def work() -> None:
            while time.monotonic() < until:
                number = next(numbers)
                self.check(number, await self.chat.ainvoke(question(number)))

        workers = [asyncio.ensure_future(work()) for _ in range(IN_FLIGHT)]
        while time.monotonic() < until:
            await asyncio.sleep(seconds / 20)
            gc.collect()
            samples.append(_sample())
        await asyncio.gather(*workers)
        return samples

    def many(self, count: int) -> None:
        """So many questions by `abatch`, and by `batch`."""
        questions = [question(number) for number in range(count)]
        config: Any = {"max_concurrency": 64}
        for answers in (
            asyncio.run(self.chat.abatch(questions, config)),
            self.chat.batch(questions, config),
        ):
            for number, answer in enumerate(answers):
                self.check(number, answer)

    def loops(self, count: int) -> None:
        """So many event loops, one after the other."""
        for number in range(count):
            self.check(number, asyncio.run(self.chat.ainvoke(question(number))))

    def threads(self, count: int) -> None:
        """So many threads, whose first calls come at once."""
        with ThreadPoolExecutor(count) as pool:
            asked = [pool.submit(self.chat.invoke, question(number)) for number in range(count)]
            for number, answer in enumerate(asked):
                self.check(number, answer.result())

    def children(self, url: str) -> None:
        """A forked and a spawned process answer while a stream of ours is half read."""
        for method in ("fork", "spawn"):
            stream = self.chat.stream(question(1))
            chunks = [next(stream)]
            child = multiprocessing.get_context(method).Process(target=_answer, args=(url,))
            child.start()
            child.join(120)
            if child.exitcode != 0:
                self.violations.append(f"a child by {method} ended with {child.exitcode}")
            chunks += stream
            self.check(1, sum(chunks[1:], chunks[0]))


def _answer(url: str) -> None:
    load = Load(url)
    load.check(2, load.chat.invoke(question(2)))
    if load.violations:
        raise AssertionError(load.violations)


def run(seconds: int, seed: int) -> Part:
    """All of it; below ten minutes the numbers of questions and loops shrink in proportion."""
    started, share = time.monotonic(), min(1.0, seconds / 600)
    many, loops = round(QUESTIONS * share), round(LOOPS * share)
    with WorldServer(seed) as server:
        load = Load(server.url)
        asyncio.run(load.chat.ainvoke(question(0)))  # what is loaded once is loaded
        samples = list[Sample]()
        with suppress(KeyboardInterrupt):
            samples = asyncio.run(load.soak(seconds))
            load.many(many)
            load.loops(loops)
            load.threads(THREADS)
            load.children(server.url)
        load.violations += server.wrong
    counts = {
        f"seconds with {IN_FLIGHT} answers in flight": seconds,
        "questions by abatch, and by batch": many,
        "event loops": loops,
        "threads": THREADS,
        "answers, every step checked": load.answers,
        **_told("memory, MiB", [sample.memory_mib for sample in samples]),
        **_told("descriptors", [sample.descriptors for sample in samples]),
        **_told("tasks", [sample.tasks for sample in samples]),
        "violations": len(load.violations),
    }
    return Part(counts, load.violations, time.monotonic() - started)


def _told(name: str, values: Sequence[int]) -> dict[str, str]:
    """Of twenty samples the second, the middle and the last."""
    return {name: " → ".join(str(values[at]) for at in (1, len(values) // 2, -1))} if values else {}
