"""A fleet at work: so many answers always in flight, looked at for a while, on the virtual clock.

Algorithm 1 to the letter (`lookahead=0`) in a loop without LangGraph, so that 100,000 answers can
be in flight; a test holds its pace against the graph's. Answers are met somewhere in their midst,
where each model has in its cache what it would have read by then; the first steps after that are
not counted, for all begin at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from random import Random

from rsd_graph.answer.ledger import Usage, add_usage, usage
from rsd_graph.answer.state import Candidate
from rsd_graph.errors import Role
from rsd_graph.lab.latency.clock import run_virtual
from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.loops import DELTA, LIMITS
from rsd_graph.lab.latency.routing import Routing
from rsd_graph.lab.latency.scheduler import Engine
from rsd_graph.lab.latency.simulated import Simulated
from rsd_graph.lab.latency.workload import Author, Workload
from rsd_graph.providers.base import Prefix, StepRequest


@dataclass(frozen=True, slots=True)
class Steady:
    """A fleet while it was looked at; seconds are simulated.

    Attributes:
        per_second: Answers per second: settled steps over the mean steps of an answer.
        busy: Share of the time in which a pass was running, by role, on average over its replicas.
        least_busy: The same of the replica that worked least.
        cached: Share of prompt tokens that were in the cache, by role.
        restarted: Requests that had to start over because the KV cache was full, per answer.
    """

    per_second: float
    busy: dict[Role, float]
    least_busy: dict[Role, float]
    cached: dict[Role, float]
    restarted: float


def steady(
    preset: Preset,
    workload: Workload,
    in_flight: int,
    *,
    routing: Routing = "in turn",
    warm: int = 4,
    steps: int = 12,
) -> Steady:
    """Look at a fleet for *steps* steps of every answer in flight, after *warm* of each.

    Raises:
        ConfigurationError: A KV cache does not hold even one answer.
    """
    return run_virtual(_looked_at(preset, workload, in_flight, routing, warm, steps))


async def _looked_at(
    preset: Preset, workload: Workload, in_flight: int, routing: Routing, warm: int, steps: int
) -> Steady:
    servers = Simulated.of(preset, workload, routing)
    with _free_of_charge(servers):
        await asyncio.gather(*(_read_before(question, servers) for question in range(in_flight)))
    window, numbers = Window(warm * in_flight, steps * in_flight, servers), count(in_flight)
    async with asyncio.TaskGroup() as group:
        begun = [
            group.create_task(_answers(question, numbers, servers, window))
            for question in range(in_flight)
        ]
        await window.closed.wait()
        found = window.sum_up(workload)
        for task in begun:
            task.cancel()
    return found


class Window:
    """What happens between two settled steps, counted from the first; the rest is not looked at.

    Args:
        opens_after: Settled steps.
        steps: How many are looked at.
        servers: Whose work is looked at.
    """

    def __init__(self, opens_after: int, steps: int, servers: Simulated) -> None:
        self.closed = asyncio.Event()
        self._opens_after, self._steps, self._servers = opens_after, steps, servers
        self._settled = 0
        self._opened_at = 0.0
        self._busy_ms = dict[Engine, float]()
        self._restarts = 0
        self._used = {role: usage(calls=0) for role in servers.engines}

    def settled(self) -> None:
        """One more step."""
        self._settled += 1
        if self._settled == self._opens_after:
            self._open()
        if self._settled == self._opens_after + self._steps:
            self.closed.set()

    def spent(self, role: Role, used: Usage) -> None:
        """One request's tokens."""
        if self._settled >= self._opens_after:
            self._used[role] = add_usage(self._used[role], used)

    def sum_up(self, workload: Workload) -> Steady:
        """Of everything since it opened."""
        seconds = asyncio.get_running_loop().time() - self._opened_at
        answers = self._steps / workload.mean_length()
        busy = {
            role: [min(1.0, (one.busy_ms - self._busy_ms[one]) / seconds / 1000) for one in engines]
            for role, engines in self._servers.engines.items()
        }
        return Steady(
            per_second=answers / seconds,
            busy={role: sum(shares) / len(shares) for role, shares in busy.items()},
            least_busy={role: min(shares) for role, shares in busy.items()},
            cached={role: _cached_share(used) for role, used in self._used.items()},
            restarted=(self._preempted() - self._restarts) / answers,
        )

    def _open(self) -> None:
        self._opened_at = asyncio.get_running_loop().time()
        self._busy_ms = {one: one.busy_ms for one in self._engines()}
        self._restarts = self._preempted()

    def _engines(self) -> Iterator[Engine]:
        for engines in self._servers.engines.values():
            yield from engines

    def _preempted(self) -> int:
        return sum(engine.preemptions for engine in self._engines())


def _cached_share(read: Usage) -> float:
    return read["cached_tokens"] / max(1, read["prompt_tokens"])


async def _answers(
    question: int, numbers: Iterator[int], servers: Simulated, window: Window
) -> None:
    """One answer from its midst, then one whole one after the other."""
    await _answer(question, _met_at(question, servers.questions), servers, window)
    for following in numbers:
        await _answer(following, 0, servers, window)


async def _answer(question: int, begun: int, servers: Simulated, window: Window) -> None:
    """All steps from *begun* on."""
    workload = servers.questions
    conversation = workload.conversation(question)
    steps = _before(question, begun, workload)
    for _ in range(begun, workload.length(question)):
        steps = [*steps, await _step(Prefix(conversation, steps), servers, window)]
        window.settled()


async def _step(prefix: Prefix, servers: Simulated, window: Window) -> Candidate:
    """One lap: draft, score, and the target where the draft is rejected."""
    request = StepRequest(prefix, LIMITS.max_step_tokens)
    drafted = await servers.draft.write_step(request)
    window.spent("draft", drafted["usage"])
    scores = await servers.prm.score(prefix, [drafted])
    window.spent("prm", scores.usage)
    if scores.rewards[0] >= DELTA:
        return drafted
    written = await servers.target.write_step(request)
    window.spent("target", written["usage"])
    return written


@contextmanager
def _free_of_charge(servers: Simulated) -> Iterator[None]:
    """What is computed inside takes no time."""
    engines = [engine for fleet in servers.engines.values() for engine in fleet]
    usual = [engine.served for engine in engines]
    for engine in engines:
        engine.served = engine.served.free()
    yield
    for engine, served in zip(engines, usual, strict=True):
        engine.served = served


async def _read_before(question: int, servers: Simulated) -> None:
    """Into the caches: all to the draft and the PRM, to the target until it was last asked."""
    workload = servers.questions
    conversation = workload.conversation(question)
    steps = _before(question, _met_at(question, workload), workload)
    rejected = [place for place in range(len(steps)) if workload.rejected(question, place)]
    read = StepRequest(Prefix(conversation, steps), max_tokens=1)
    requests = [servers.draft.write_step(read)]
    if rejected:
        last = Prefix(conversation, steps[: rejected[-1]])
        requests.append(servers.target.write_step(StepRequest(last, LIMITS.max_step_tokens)))
    await asyncio.gather(*requests)
    if steps:
        await servers.prm.score(Prefix(conversation, steps[:-1]), steps[-1:])


def _met_at(question: int, workload: Workload) -> int:
    """Steps that are settled of an answer when it is first looked at."""
    return Random(f"met {question}").randrange(workload.length(question))


def _before(question: int, steps: int, workload: Workload) -> list[Candidate]:
    """The first *steps* of an answer, as whoever settled them wrote them."""
    found = []
    for index in range(steps):
        author: Author = "target" if workload.rejected(question, index) else "draft"
        text = " ".join(workload.step(author, question, index)[:-1])
        found.append(Candidate(text=text, ended="separator", logprob=None, usage=usage()))
    return found
