"""The long run of load: many answers at once, and whether anything grows while they come."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rsd_graph import ChatRSD, RSDError
from rsd_graph.embedded.task import held_out_problems
from tests.chaos.long_run import descriptors
from tests.chaos.plain_models import plain_chat
from tests.chaos.report import Part
from tests.chaos.server import WorldServer
from tests.chaos.stacks import Stack
from tests.chaos.world import DELTA, Claims, question, wrong_step

STACK = Stack("vllm", "tgi", "qwen-prm")
_QUESTIONS = 512
"""Asked over and over: what is remembered of each is remembered soon."""

_FEWEST, _MOST = 6, 60
"""How often the sizes are taken, once a second: connections come and go, and one look tells little.
"""

_SPAWN = multiprocessing.get_context("spawn")


class Sizes(NamedTuple):
    """How much of everything there is at one moment."""

    mib: int
    descriptors: int
    tasks: int


@dataclass
class Found:
    """What was counted and what was wrong."""

    counts: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def flat(self, what: str, sizes: list[Sizes]) -> None:
        """Say how large things were in each third of the time, and whether they had grown."""
        third = len(sizes) // 3
        for name, *seen in zip(Sizes._fields, *sizes, strict=True):
            usual = [median(seen[start : start + third]) for start in (0, third, 2 * third)]
            shown = ", ".join(f"{size:g}" for size in usual)
            self.counts[f"{what}: {name} in each third of the time"] = (
                f"{shown}; at most {max(seen)}"
            )
            if usual[-1] > 1.1 * usual[0] + 8:
                self.violations.append(f"{what}: {name} grow: {seen}")

    def check(self, number: int, answer: Any) -> None:
        """Whether the answer to this question is the world's."""
        wrong = wrong_step(f"q{number}", steps_of(answer), "", unscored=False, full=Claims())
        self.violations += [wrong] if wrong else []


def steps_of(answer: Any) -> Any:
    """The steps of an answer."""
    return answer.response_metadata["rsd"]["steps"]


def sizes() -> Sizes:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Sizes(pages * 4096 >> 20, descriptors(), len(asyncio.all_tasks()))


@contextmanager
def world_elsewhere() -> Iterator[str]:
    """A server of the world in a process of its own, which is not measured with us; its address."""
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    yield ours.recv()
    ours.send("enough")
    process.join()


def _serve(pipe: Connection) -> None:
    with WorldServer(seed=0) as server:
        pipe.send(server.url)
        pipe.recv()


def chat_at(url: str) -> ChatRSD:
    """All that starts early, asked of the world at *url*."""
    models = STACK.models(url, timeout=600, in_flight=256)
    seats = {role: getattr(models, role) for role in ("draft", "target", "prm")}
    return ChatRSD(**seats, delta=DELTA, lookahead=2, hedge=0.3)


async def in_flight(
    ask: Callable[[int], Awaitable[object]], wide: int, warm: int, seconds: float
) -> tuple[int, list[Sizes]]:
    """Keep so many questions in flight for so long; how many were answered, and the sizes.

    What is measured begins once *warm* were answered, when connections are open and caches in use.
    At the end what is in flight is cancelled.
    """
    numbers, answered = itertools.count(), 0
    is_warm = asyncio.Event()

    async def one_after_the_other() -> None:
        nonlocal answered
        while True:
            await ask(next(numbers))
            answered += 1
            if answered >= warm:
                is_warm.set()

    workers = [asyncio.create_task(one_after_the_other()) for _ in range(wide)]
    await is_warm.wait()
    seen = []
    looks = max(_FEWEST, min(_MOST, int(seconds)))
    for _ in range(looks):
        await asyncio.sleep(seconds / looks)
        seen.append(sizes())
    for worker in workers:
        worker.cancel()
    ended = await asyncio.gather(*workers, return_exceptions=True)
    failed = [error for error in ended if not isinstance(error, asyncio.CancelledError)]
    assert not failed, failed
    return answered, seen


def many_at_once(found: Found, url: str, wide: int, seconds: float) -> None:
    """Against the world, over HTTP."""
    chat = chat_at(url)

    async def ask(number: int) -> None:
        found.check(number % _QUESTIONS, await chat.ainvoke(question(number % _QUESTIONS)))

    _measured(found, "the fake", ask, wide, 2 * wide, seconds)


def many_at_llama_cpp(found: Found, wide: int, seconds: float) -> None:
    """Against the models that are shipped, with real inference."""
    chat, problems = ChatRSD(), held_out_problems(_QUESTIONS)

    async def ask(number: int) -> None:
        problem = problems[number % len(problems)]
        steps = steps_of(await chat.ainvoke(problem.question))
        found.violations += [] if steps else [f"llama.cpp: no steps for {problem.question}"]

    _measured(found, "llama.cpp", ask, wide, wide // 4, seconds)


def _measured(
    found: Found,
    what: str,
    ask: Callable[[int], Awaitable[object]],
    wide: int,
    warm: int,
    seconds: float,
) -> None:
    told = Counter[str]()

    async def asked(number: int) -> None:
        try:
            await ask(number)
        except RSDError as error:  # on a machine that is too busy to connect, say
            told[type(error).__name__] += 1

    async def whole() -> tuple[int, list[Sizes], int]:
        answered, seen = await in_flight(asked, wide, warm, seconds)
        return answered, seen, len(asyncio.all_tasks()) - 1

    answered, seen, left = asyncio.run(whole())
    found.counts[f"{what}: answers, {wide} in flight for {seconds:g} s"] = answered - told.total()
    found.counts |= {f"{what}: told as `{name}`": count for name, count in told.items()}
    found.counts[f"{what}: tasks left"] = left
    found.violations += [f"{what}: {left} tasks left"] if left else []
    found.flat(what, seen)


def many_in_a_batch(found: Found, questions: int) -> None:
    """By `abatch` and by `batch`, of models without HTTP."""
    chat, asked = plain_chat(), [question(number) for number in range(questions)]
    config: Any = {"max_concurrency": 64}
    for name in ("abatch", "batch"):
        before = descriptors()
        answers = (
            asyncio.run(chat.abatch(asked, config))
            if name == "abatch"
            else chat.batch(asked, config)
        )
        for number, answer in enumerate(answers):
            found.check(number, answer)
        found.counts[f"answers by one {name}"] = len(answers)
        left = descriptors() - before
        found.violations += [f"{name}: {left} descriptors left"] if left > 16 else []


def many_loops(found: Found, url: str, loops: int) -> None:
    """One after the other, each with connections of its own, which end with it."""
    chat, seen = chat_at(url), []
    for number in range(loops):
        found.check(number, asyncio.run(chat.ainvoke(question(number))))
        seen.append(descriptors())
    found.counts["event loops, one after the other"] = loops
    found.counts["descriptors after the first, after the last"] = f"{seen[0]}, {seen[-1]}"
    found.violations += [f"descriptors grow: {seen[0]} to {seen[-1]}"] * (seen[-1] > seen[0] + 8)


def many_threads(found: Found, url: str, threads: int, each: int) -> None:
    """Each asks for itself, all of one model."""
    chat, start = chat_at(url), threading.Barrier(threads)

    def ask(first: int) -> list[Any]:
        start.wait()
        return [chat.invoke(question(first * each + number)) for number in range(each)]

    with ThreadPoolExecutor(threads) as pool:
        answers = [answer for some in pool.map(ask, range(threads)) for answer in some]
    for number, answer in enumerate(answers):
        found.check(number, answer)
    found.counts[f"answers of {threads} threads"] = len(answers)


def child(url: str, number: int) -> None:
    """A process that was made while its parent streamed: it asks a question of its own."""
    found = Found()
    found.check(number, chat_at(url).invoke(question(number)))
    raise SystemExit(len(found.violations))


def children_while_streaming(
    found: Found, url: str, each: int, methods: Sequence[str] = ("fork", "spawn")
) -> None:
    """Forked and spawned between two steps of a stream, which goes on as if nothing had been."""
    chat = chat_at(url)
    for method, number in itertools.product(methods, range(each)):
        stream = chat.stream(question(number))
        total = next(stream)
        processes: Any = multiprocessing.get_context(method)
        process = processes.Process(target=child, args=(url, number + 1))
        process.start()
        for chunk in stream:
            total += chunk
        process.join(120)
        found.check(number, total)
        found.violations += [f"{method}: {process.exitcode}"] if process.exitcode else []
    found.counts["children forked and spawned while streaming"] = len(methods) * each


def run(minutes: float, first: int) -> Iterator[Part]:
    """All parts from the *first* on, each of the two loads for so many minutes.

    Each is kept by its number, as a run of its own.
    """
    with world_elsewhere() as url:
        parts: tuple[Callable[[Found], None], ...] = (
            lambda found: many_at_once(found, url, 256, 60 * minutes),
            lambda found: many_at_llama_cpp(found, 256, 60 * minutes),
            lambda found: children_while_streaming(found, url, 8),
            lambda found: many_threads(found, url, 64, 4),
            lambda found: many_loops(found, url, 1000),
            lambda found: many_in_a_batch(found, 10_000),
        )
        for number in range(first, len(parts)):
            found, started = Found(), time.monotonic()
            parts[number](found)
            found.counts["load average at the end"] = [f"{os.getloadavg()[2]:.0f}"]
            yield Part(number, found.counts, found.violations, time.monotonic() - started)
