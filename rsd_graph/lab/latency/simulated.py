"""Simulated draft, target and PRM: the workload's words, at the engine's pace.

`Writer` and `Judge` are the servers' insides, used by the HTTP simulator and, without HTTP, by
`SimulatedStepModel` and `SimulatedPRM`, which sit in the graph's seats on a virtual clock. Where a
model has replicas, `routing.py` says which one a request goes to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.answer.state import Candidate, Ended, Message
from rsd_graph.errors import Role
from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.routing import Fleet, Routing
from rsd_graph.lab.latency.scheduler import Engine, Job
from rsd_graph.lab.latency.workload import (
    EOS,
    SEPARATOR,
    Author,
    Workload,
    place_of,
    render,
    tokens_of,
)
from rsd_graph.providers.base import Prefix, RewardModel, Scores, StepModel, StepRequest
from rsd_graph.providers.prm.format import qwen_prm_prompt

STEP_TAG = "<extra_0>"


@dataclass(frozen=True, slots=True)
class Written:
    """A continuation: its words without what ended it."""

    text: str
    ended: Ended
    job: Job


@dataclass(frozen=True, slots=True)
class Writer:
    """A generating server: continues any prompt of the workload's questions."""

    fleet: Fleet
    workload: Workload
    author: Author

    async def complete(self, prompt: str, max_tokens: int, *, one_step: bool = True) -> Written:
        """The next step, or with *one_step* off all that are left."""
        question, index = place_of(prompt)
        length = self.workload.length(question)
        steps = range(index, index + 1 if one_step else length)
        whole = list(chain(*(self.workload.step(self.author, question, i) for i in steps)))
        output = whole[:max_tokens]
        tokens = tokens_of(prompt)
        (job,) = await self.fleet.ask(question, lambda engine: engine.run_all([tokens], output))
        if len(output) < len(whole):
            return Written(_joined(output), "length", job)
        return Written(_joined(output[:-1]), "eos" if whole[-1] == EOS else "separator", job)


@dataclass(frozen=True, slots=True)
class Judge:
    """A PRM's server: one reward for each step tag."""

    fleet: Fleet
    workload: Workload

    async def rewards(self, prompt: str, candidates: int) -> tuple[list[float], list[Job]]:
        """The reward of every step in the prompt, and the jobs that computed them.

        With a prefix cache the last *candidates* steps are so many nested prompts in one request,
        each ending in its step's tag; without, the whole is read once.
        """
        question, _ = place_of(prompt)
        prompts = self._prompts(prompt, candidates)
        jobs = await self.fleet.ask(question, lambda engine: engine.run_all(prompts))
        _, _, answer = prompt.rpartition("assistant\n")
        return [self._reward(step) for step in answer.split(STEP_TAG)[:-1]], jobs

    def _prompts(self, prompt: str, candidates: int) -> list[list[str]]:
        tokens = tokens_of(prompt)
        if not self.fleet.engines[0].served.prefix_cache:
            return [tokens]
        ends = [place for place, token in enumerate(tokens, start=1) if token == STEP_TAG]
        return [tokens[:end] for end in ends[-candidates:]]

    def _reward(self, step: str) -> float:
        """0.1 for a draft step the workload rejects; every word says whose it is, and where."""
        word = step.split(maxsplit=1)[0]
        if not word.startswith("draft"):
            return 0.9
        question, index, _ = word.removeprefix("draft").split(".")
        return 0.1 if self.workload.rejected(int(question), int(index)) else 0.9


class SimulatedStepModel:
    """A `StepModel` on a simulated server, without HTTP."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer

    async def write_step(self, request: StepRequest) -> Candidate:
        """See `StepModel.write_step`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        prompt = render(list(request.prefix.conversation)) + request.prefix.text
        written = await self.writer.complete(prompt, request.max_tokens)
        cost = spent([written.job], (loop.time() - started) * 1000)
        return Candidate(text=written.text, ended=written.ended, logprob=None, usage=cost)


class SimulatedPRM:
    """A `RewardModel` on a simulated server, without HTTP."""

    reward_range = (0.0, 1.0)

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        """See `RewardModel.score`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        steps = [step["text"] for step in (*prefix.steps, *candidates)]
        prompt = qwen_prm_prompt(prefix.conversation, steps, STEP_TAG)
        rewards, jobs = await self.judge.rewards(prompt, len(candidates))
        cost = spent(jobs, (loop.time() - started) * 1000)
        asked = rewards[len(prefix.steps) :]
        return Scores(asked, cost, step_rewards=rewards if len(jobs) < len(asked) else asked)


class Questions(Protocol):
    """What is asked, by number."""

    def conversation(self, question: int) -> list[Message]:
        """The conversation to answer."""
        ...


@dataclass(frozen=True)
class Seats:
    """Whoever sits in the three seats, and what they are asked."""

    draft: StepModel
    target: StepModel
    prm: RewardModel
    questions: Questions


@dataclass(frozen=True)
class Simulated(Seats):
    """Simulated models in all three seats."""

    draft: SimulatedStepModel
    target: SimulatedStepModel
    prm: SimulatedPRM
    questions: Workload

    @classmethod
    def of(cls, preset: Preset, workload: Workload, routing: Routing = "in turn") -> Simulated:
        """A preset's servers, idle and with empty caches."""
        fleets = {role: Fleet(engines, routing) for role, engines in _engines(preset).items()}
        return cls(
            SimulatedStepModel(Writer(fleets["draft"], workload, "draft")),
            SimulatedStepModel(Writer(fleets["target"], workload, "target")),
            SimulatedPRM(Judge(fleets["prm"], workload)),
            workload,
        )

    @property
    def engines(self) -> dict[Role, Sequence[Engine]]:
        """The servers' engines, by role."""
        return {
            "draft": self.draft.writer.fleet.engines,
            "target": self.target.writer.fleet.engines,
            "prm": self.prm.judge.fleet.engines,
        }


def _engines(preset: Preset) -> dict[Role, list[Engine]]:
    """Replicas of every role; those that share GPUs take turns on each."""
    most = max(served.replicas for served in preset.roles.values())
    turns = [asyncio.Lock() for _ in range(most)]
    return {
        role: [
            Engine(served, turns[number] if role in preset.shared else None)
            for number in range(served.replicas)
        ]
        for role, served in preset.roles.items()
    }


def _joined(words: Sequence[str]) -> str:
    """Words as text; separators stand on their own."""
    return " ".join(words).replace(f" {SEPARATOR} ", SEPARATOR)


def spent(jobs: Sequence[Job], ms: float) -> Usage:
    """One request's counts, as its server knows them: cached tokens only where there is a cache."""
    return usage(
        prompt_tokens=sum(job.prompt_tokens for job in jobs),
        completion_tokens=sum(job.written for job in jobs),
        cached_tokens=sum(job.cached for job in jobs),
        ms=ms,
    )
