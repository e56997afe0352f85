"""How fast RSD is on a layout, and the target alone: mean values instead of a simulation.

Every role is a batch server that is asked so often, reads and writes so many tokens a call, and
whose pass takes as long as `hardware.py` says for what the other calls in it need. So many answers
in flight settle at the rate at which each takes as long as that many answers take (Little's law).
Left out: that calls come in bursts, that steps differ in length, evicted prefixes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist, fmean

from rsd_graph.errors import Role
from rsd_graph.lab.latency.hardware import Preset, Served
from rsd_graph.lab.latency.kv_cache import BLOCK
from rsd_graph.lab.latency.workload import Workload

MAX_WASTE = 0.1
"""What `lookahead="auto"` may waste, unless somebody says otherwise."""

CROWDED = 1.5
"""From this slowdown of the draft on, `lookahead="auto"` drafts nothing ahead (`early/pace.py`)."""

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
class Forecast:
    """What to expect, in steady state.

    Attributes:
        per_second: Answers per second.
        seconds: Mean latency of an answer.
        is_ahead: Whether the draft runs ahead.
        calls_ms: Mean milliseconds of one call, by role.
    """

    per_second: float
    seconds: float
    is_ahead: bool
    calls_ms: dict[str, float]


def lengths(workload: Workload) -> list[int]:
    """Steps of 64 typical answers."""
    mean, sigma = workload.steps, workload.steps_spread
    curve = NormalDist(math.log(mean) - sigma**2 / 2, sigma or 1e-9)
    steps = [round(math.exp(curve.inv_cdf((n + 0.5) / 64))) for n in range(64)]
    return [max(1, min(workload.max_steps, count)) for count in steps]


def forecast(preset: Preset, workload: Workload, in_flight: float) -> Forecast:
    """RSD with `lookahead="auto"`, so many answers at once."""
    ahead = _settled(preset, workload, in_flight, is_ahead=True)
    return ahead or _settled(preset, workload, in_flight, is_ahead=False) or _nothing()


def forecast_alone(target: Served, workload: Workload, in_flight: float) -> Forecast:
    """The target alone, each answer in one request."""
    answers = lengths(workload)
    steps, tokens = fmean(answers), workload.step_tokens
    context = workload.question_tokens + _mean_index(answers) * tokens + tokens / 2
    whole = Demand(1 / steps, workload.question_tokens, steps * tokens, context)

    def seconds(rate: float) -> float:
        return _call(target, whole, rate / target.replicas, 0.0).ms / 1000

    rate, found = _closed(seconds, in_flight)
    return Forecast(rate, found, False, {"target": found * 1000})


def _nothing() -> Forecast:
    return Forecast(0.0, math.inf, False, {})


def _settled(
    preset: Preset, workload: Workload, in_flight: float, *, is_ahead: bool
) -> Forecast | None:
    """The rate that so many answers keep up; `None` if `auto` would not run ahead there."""
    steps = fmean(lengths(workload))

    def seconds(rate: float) -> float:
        return (
            steps
            * _step_ms(_calls(preset, workload, rate * steps, is_ahead), workload, is_ahead)
            / 1000
        )

    rate, found = _closed(seconds, in_flight)
    calls = _calls(preset, workload, rate * steps, is_ahead)
    if is_ahead and not _runs_ahead(preset, workload, calls):
        return None
    return Forecast(rate, found, is_ahead, {role: call.ms for role, call in calls.items()})


def _closed(seconds: Callable[[float], float], in_flight: float) -> tuple[float, float]:
    """The rate at which *in_flight* answers take as long as they do at that rate."""
    low, high = 0.0, in_flight / seconds(0.0)
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * seconds(middle) < in_flight else (low, middle)
    return low, in_flight / low


@dataclass(frozen=True, slots=True)
class _Call:
    """One call under load: milliseconds in all, of a pass, and the share of time passes run."""

    ms: float
    pass_ms: float
    busy: float


_NEVER = _Call(math.inf, math.inf, 1.0)


def _step_ms(calls: dict[Role, _Call], workload: Workload, is_ahead: bool) -> float:
    """From one settled step to the next; ahead, the next draft hides the verdict on this one."""
    draft, target, prm = (calls[role].ms for role in ("draft", "target", "prm"))
    rejected = workload.rejects
    if math.isinf(draft + target + prm):
        return math.inf
    if not is_ahead:
        return draft + prm + rejected * target
    shown = prm / fmean(lengths(workload)) + max(0.0, prm - draft)
    return draft + rejected * (prm + target) + (1 - rejected) * shown


def _runs_ahead(preset: Preset, workload: Workload, calls: dict[Role, _Call]) -> bool:
    """Whether `auto` would: little in vain, and no queue at the draft."""
    in_vain = workload.rejects * min(2.0, calls["prm"].ms / calls["draft"].ms)
    alone = _call(preset.draft, demands(preset, workload)["draft"], 0.0, 0.0)
    is_crowded = calls["draft"].ms > CROWDED * alone.ms
    return in_vain / (1 + in_vain) <= MAX_WASTE and not is_crowded


def demands(preset: Preset, workload: Workload, in_vain: float = 0.0) -> dict[Role, Demand]:
    """What a settled step asks of every role; *in_vain* drafts of it come to nothing."""
    answers, tokens, rejected = lengths(workload), workload.step_tokens, workload.rejects
    question = workload.question_tokens
    steps, index = fmean(answers), _mean_index(answers)
    context = question + index * tokens
    first, rewritten = question / steps, rejected * tokens
    judged = tokens + _PARTIAL + rewritten + first + _JUDGE_TOKENS / steps
    whole = context + _JUDGE_TOKENS + tokens
    return {
        "draft": Demand(1 + in_vain, _PARTIAL + rewritten + first, tokens, context + tokens / 2),
        "target": Demand(
            max(rejected, 1e-9), _read_by_target(answers, workload), tokens, context + tokens / 2
        ),
        "prm": Demand(1.0, judged if preset.prm.prefix_cache else whole, 0.0, whole),
    }


def _mean_index(answers: list[int]) -> float:
    """Steps before a step, on average over all steps of all answers."""
    return sum(n * (n - 1) / 2 for n in answers) / sum(answers)


def _read_by_target(answers: list[int], workload: Workload) -> float:
    """Tokens the target reads at each of its calls: what was drafted since the one before."""
    rejected = max(workload.rejects, 1e-9)
    kept = 1 - rejected
    calls = read = 0.0
    for steps in answers:
        is_asked = 1 - kept**steps
        after_the_last = kept * is_asked / rejected
        drafted = kept * (steps - after_the_last) * workload.step_tokens
        calls += rejected * steps
        read += max(0.0, drafted) + is_asked * workload.question_tokens
    return _PARTIAL + read / calls


def _calls(
    preset: Preset, workload: Workload, steps_per_s: float, is_ahead: bool
) -> dict[Role, _Call]:
    """Every role's call at this rate; roles on the same GPUs wait for each other's passes."""
    calls: dict[Role, _Call] = {}
    for _ in range(12 if preset.shared or is_ahead else 1):
        in_vain = 0.0
        if is_ahead and calls and math.isfinite(calls["prm"].ms + calls["draft"].ms):
            in_vain = workload.rejects * min(2.0, calls["prm"].ms / calls["draft"].ms)
        asked = demands(preset, workload, in_vain)
        calls = {
            role: _call(
                served,
                asked[role],
                steps_per_s * asked[role].calls / served.replicas,
                _turns(role, preset, calls),
            )
            for role, served in preset.roles.items()
        }
    return calls


def _turns(role: Role, preset: Preset, calls: dict[Role, _Call]) -> float:
    """Milliseconds that a pass of *role* waits for those it shares its GPUs with."""
    if role not in preset.shared or not calls:
        return 0.0
    return sum(calls[other].busy * calls[other].pass_ms for other in preset.shared if other != role)


def _call(served: Served, demand: Demand, per_s: float, turns_ms: float) -> _Call:
    """One call, asked *per_s* times a second; infinite where the server cannot keep up."""
    rate = per_s / 1000
    tokens, texts = rate * (demand.read + max(0.0, demand.written - 1)), rate * demand.passes
    reading = texts * demand.context * served.context_ms
    own = demand.context * served.context_ms
    cpu = served.api_ms + demand.context * served.api_token_ms
    queue = rate * cpu / served.api_processes
    if max(queue, reading, reading + tokens * served.token_ms) >= 1:
        return _NEVER
    fixed = served.pass_ms + own + turns_ms
    bound = (fixed + served.weights_ms) / (1 - reading)
    computed = (fixed + served.token_ms) / (1 - reading - tokens * served.token_ms)
    pass_ms = max(bound, computed)
    if tokens * pass_ms > served.batched_tokens or texts * pass_ms > served.max_seqs:
        return _NEVER
    busy = min(1.0, texts * pass_ms)
    others = tokens * pass_ms * served.token_ms
    first = max(0.0, others + demand.read * served.token_ms - max(served.weights_ms, others))
    waiting = cpu / served.api_processes * queue / (1 - queue) / 2 + busy * pass_ms / 2
    entering = max(cpu, served.request_ms) + waiting
    return _Call(entering + first + demand.passes * pass_ms, pass_ms - turns_ms, busy)
