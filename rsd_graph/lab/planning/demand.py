"""What one settled step asks of draft, target and PRM: calls, tokens to read, tokens to write."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean

from rsd_graph.errors import Role
from rsd_graph.lab.latency.hardware import Preset, Served
from rsd_graph.lab.latency.kv_cache import BLOCK
from rsd_graph.lab.latency.workload import Workload

_PARTIAL = (BLOCK + 1) / 2
"""Tokens of a known prefix that are read again: half a block, and the last one always."""

_JUDGE_TOKENS = 30
"""Of a PRM's own system prompt and chat template."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What one settled step asks of a role.

    Attributes:
        calls: Requests.
        read: Tokens to compute of each prompt.
        written: Tokens to write after it.
        context: Tokens in the KV cache meanwhile.
    """

    calls: float
    read: float
    written: float
    context: float

    @property
    def passes(self) -> float:
        """Passes that a call takes part in."""
        return max(1.0, self.written)


@dataclass(frozen=True, slots=True)
class Lap:
    """How one lap drafts: steps to a run, and whether the next is drafted meanwhile."""

    run: int
    is_ahead: bool

    def settled(self, rejected: float) -> float:
        """Steps that a lap settles on average."""
        return sum((1 - rejected) ** step for step in range(self.run))


SEQUENTIAL = Lap(1, is_ahead=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """What follows from how long answers are.

    Attributes:
        steps: Of an answer, on average.
        before: Steps before a step, on average over all steps.
        read_by_target: Tokens to read at each of its calls: what was drafted since the one before.
    """

    steps: float
    before: float
    read_by_target: float


@cache
def shape_of(workload: Workload) -> Shape:
    """Of 64 typical answers."""
    mean, sigma = workload.steps, workload.steps_spread
    curve = NormalDist(math.log(mean) - sigma**2 / 2, sigma or 1e-9)
    drawn = (round(math.exp(curve.inv_cdf((n + 0.5) / 64))) for n in range(64))
    answers = [max(1, min(workload.max_steps, steps)) for steps in drawn]
    before = sum(steps * (steps - 1) / 2 for steps in answers) / sum(answers)
    read = fmean(_read_by_target(steps, workload) for steps in answers)
    return Shape(fmean(answers), before, read / (_rejected(workload) * fmean(answers)))


def _read_by_target(steps: int, workload: Workload) -> float:
    """Tokens that all its calls of one answer read; behind the last rejection it reads nothing."""
    kept = 1 - _rejected(workload)
    is_asked = 1 - kept**steps
    drafted = kept * (steps - kept * is_asked / _rejected(workload))
    return max(0.0, drafted) * workload.step_tokens + is_asked * workload.question_tokens


def _rejected(workload: Workload) -> float:
    return max(workload.rejects, 1e-9)


def demands(
    preset: Preset, workload: Workload, lap: Lap = SEQUENTIAL, in_vain: float = 0.0
) -> dict[Role, Demand]:
    """What a settled step asks of every role; *in_vain* drafts of it come to nothing."""
    shape, tokens = shape_of(workload), workload.step_tokens
    context = workload.question_tokens + shape.before * tokens
    unknown = _rejected(workload) * tokens + workload.question_tokens / shape.steps
    writing = context + tokens / 2
    read = _PARTIAL + shape.read_by_target
    return {
        "draft": Demand(1 + in_vain, _PARTIAL + unknown, tokens, writing),
        "target": Demand(_rejected(workload), read, tokens, writing),
        "prm": _judging(preset.prm, workload, lap, context, unknown),
    }


def _judging(prm: Served, workload: Workload, lap: Lap, context: float, unknown: float) -> Demand:
    """A verdict costs its step if the PRM reads its cache, and everything before it if not."""
    settled, tokens = lap.settled(workload.rejects), workload.step_tokens
    whole = context + _JUDGE_TOKENS + lap.run * tokens
    if not prm.prefix_cache:
        return Demand(1 / settled, whole, 0.0, whole)
    read = tokens + _PARTIAL + unknown + _JUDGE_TOKENS / workload.steps
    return Demand(lap.run / settled, read, 0.0, whole)


def demand_alone(workload: Workload) -> Demand:
    """What a settled step asks of the target that writes every answer in one request."""
    shape, tokens = shape_of(workload), workload.step_tokens
    context = workload.question_tokens + (shape.before + 0.5) * tokens
    return Demand(1 / shape.steps, workload.question_tokens, shape.steps * tokens, context)
