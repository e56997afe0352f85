"""Simulated draft, target and PRM: the workload's words, at the engine's pace.

`Writer` and `Judge` are the servers' insides, used by the HTTP simulator and, without HTTP, by
`SimulatedStepModel` and `SimulatedPRM`, which sit in the graph's seats on a virtual clock.
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

    engine: Engine
    workload: Workload
    author: Author

    async def complete(self, prompt: str, max_tokens: int, *, one_step: bool = True) -> Written:
        """The next step, or with *one_step* off all that are left."""
        question, index = place_of(prompt)
        length = self.workload.length(question)
        steps = range(index, index + 1 if one_step else length)
        whole = list(chain(*(self.workload.step(self.author, question, i) for i in steps)))
        output = whole[:max_tokens]
        job = await self.engine.run(tokens_of(prompt), output)
        if len(output) < len(whole):
            return Written(_joined(output), "length", job)
        return Written(_joined(output[:-1]), "eos" if whole[-1] == EOS else "separator", job)


@dataclass(frozen=True, slots=True)
class Judge:
    """A PRM's server: one reward at each step tag."""

    engine: Engine
    workload: Workload

    async def rewards(self, prompt: str) -> tuple[list[float], Job]:
        """The reward of every step in the prompt, and the job that computed them."""
        job = await self.engine.run(tokens_of(prompt))
        _, _, answer = prompt.rpartition("assistant\n")
        return [self._reward(step) for step in answer.split(STEP_TAG)[:-1]], job

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
        cost = spent(written.job, (loop.time() - started) * 1000)
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
        rewards, job = await self.judge.rewards(prompt)
        cost = spent(job, (loop.time() - started) * 1000)
        return Scores(rewards[len(prefix.steps) :], cost, step_rewards=rewards)


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
    def of(cls, preset: Preset, workload: Workload) -> Simulated:
        """A preset's servers, idle and with empty caches."""
        return cls(
            SimulatedStepModel(Writer(Engine(preset.draft), workload, "draft")),
            SimulatedStepModel(Writer(Engine(preset.target), workload, "target")),
            SimulatedPRM(Judge(Engine(preset.prm, prefix_cache=None), workload)),
            workload,
        )

    @property
    def engines(self) -> dict[Role, Engine]:
        """The servers' engines, by role."""
        return {
            "draft": self.draft.writer.engine,
            "target": self.target.writer.engine,
            "prm": self.prm.judge.engine,
        }


def _joined(words: Sequence[str]) -> str:
    """Words as text; separators stand on their own."""
    return " ".join(words).replace(f" {SEPARATOR} ", SEPARATOR)


def spent(job: Job, ms: float) -> Usage:
    """What the server would report: counts, cached tokens only where there is a cache."""
    return usage(
        prompt_tokens=len(job.tokens) - job.written,
        completion_tokens=job.written,
        cached_tokens=job.cached,
        ms=ms,
    )
