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

from rsd_graph.errors import Role
from rsd_graph.lab.latency.hardware import Preset, Served
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.demand import SEQUENTIAL, Demand, Lap, demand_alone, demands, shape_of

MAX_WASTE = 0.1
"""What `lookahead="auto"` may waste, unless somebody says otherwise."""

CROWDED = 1.5
"""From this slowdown of the draft on, `lookahead="auto"` drafts nothing ahead (`early/pace.py`)."""

_LONGEST_RUN = 3
"""Steps of a run of `auto` at most, on average, however slow the PRM: it takes what is written."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect, in steady state.

    Attributes:
        per_second: Answers per second.
        seconds: Mean latency of an answer.
        lap: How the draft goes about it; `None` for the target alone.
        calls_ms: Mean milliseconds of one call, by role.
    """

    per_second: float
    seconds: float
    lap: Lap | None
    calls_ms: dict[str, float]


def forecast(preset: Preset, workload: Workload, traffic: Traffic) -> Forecast | None:
    """RSD with `lookahead="auto"`, by the fastest lap it allows itself; `None` if overrun."""
    steps = shape_of(workload).steps
    found = []
    for lap in _laps(preset):

        def seconds(rate: float, lap: Lap = lap) -> float:
            calls = _calls(preset, workload, rate * steps, lap)
            return steps * _step_ms(calls, workload, lap) / 1000

        if (at := traffic.settles(seconds)) is not None:
            calls = _calls(preset, workload, at[0] * steps, lap)
            if lap == SEQUENTIAL or _is_allowed(preset, workload, calls, lap):
                found.append(Forecast(*at, lap, {role: call.ms for role, call in calls.items()}))
    return min(found, key=lambda one: one.seconds, default=None)


def forecast_alone(target: Served, workload: Workload, traffic: Traffic) -> Forecast | None:
    """The target alone, each answer in one request; `None` if overrun."""
    whole = demand_alone(workload)

    def seconds(rate: float) -> float:
        return _call(target, whole, rate / target.replicas, 0.0).ms / 1000

    at = traffic.settles(seconds)
    return Forecast(*at, None, {"target": at[1] * 1000}) if at else None


@dataclass(frozen=True, slots=True)
class Traffic:
    """Either so many answers always in flight, or so many asked for every second."""

    in_flight: float | None = None
    per_second: float | None = None

    def settles(self, seconds: Callable[[float], float]) -> tuple[float, float] | None:
        """Answers a second and seconds an answer, if they take *seconds* of the rate."""
        if self.in_flight is not None:
            return _closed(seconds, self.in_flight)
        rate = self.per_second or 0.0
        found = seconds(rate)
        return (rate, found) if math.isfinite(found) else None


def _laps(preset: Preset) -> list[Lap]:
    """Those that `auto` may choose from; runs are for a PRM that reads everything anew."""
    runs = range(1, 2 if preset.prm.prefix_cache else _LONGEST_RUN + 1)
    return [Lap(1, is_ahead=True), *(Lap(run, is_ahead=False) for run in runs)]


def _closed(seconds: Callable[[float], float], in_flight: float) -> tuple[float, float]:
    """The rate at which *in_flight* answers take as long as they do at that rate."""
    low, high = 0.0, in_flight / seconds(0.0)
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if middle * seconds(middle) < in_flight else (low, middle)
    return low, in_flight / low


@dataclass(frozen=True, slots=True)
class _Call:
    """One call under load: milliseconds in all, and of a pass; calls at once, waiting or not."""

    ms: float
    pass_ms: float
    running: float
    waiting: float


_NEVER = _Call(math.inf, math.inf, math.inf, math.inf)


def _step_ms(calls: dict[Role, _Call], workload: Workload, lap: Lap) -> float:
    """From one settled step to the next; ahead, the next draft hides the verdict on this one."""
    draft, target, prm = (calls[role].ms for role in ("draft", "target", "prm"))
    rejected = workload.rejects
    if math.isinf(draft + target + prm):
        return math.inf
    if not lap.is_ahead:
        return (lap.run * draft + prm) / lap.settled(rejected) + rejected * target
    shown = prm / shape_of(workload).steps + max(0.0, prm - draft)
    return draft + rejected * (prm + target) + (1 - rejected) * shown


def _is_allowed(preset: Preset, workload: Workload, calls: dict[Role, _Call], lap: Lap) -> bool:
    """Whether `auto` would: little in vain, and, with a cached PRM, no queue at the draft."""
    in_vain = _in_vain(workload, lap, calls)
    alone = _call(preset.draft, demands(preset, workload)["draft"], 0.0, 0.0)
    is_crowded = preset.prm.prefix_cache and calls["draft"].ms > CROWDED * alone.ms
    return in_vain / (1 + in_vain) <= MAX_WASTE and not is_crowded


def _in_vain(workload: Workload, lap: Lap, calls: dict[Role, _Call]) -> float:
    """Drafts that come to nothing, for each settled step."""
    settled = lap.settled(workload.rejects)
    if not lap.is_ahead or not calls or math.isinf(calls["prm"].ms):
        return (lap.run - settled) / settled
    return workload.rejects * min(2.0, calls["prm"].ms / calls["draft"].ms)


def _calls(preset: Preset, workload: Workload, steps_per_s: float, lap: Lap) -> dict[Role, _Call]:
    """Every role's call at this rate; roles on the same GPUs wait for each other's passes."""
    calls: dict[Role, _Call] = {}
    for _ in range(6 if preset.shared or lap.is_ahead else 1):
        asked = demands(preset, workload, lap, _in_vain(workload, lap, calls))
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
    """Milliseconds that a pass of *role* waits for those it shares its GPUs with.

    Never for those of its own answer, which waits for this one meanwhile.
    """
    if role not in preset.shared or not calls:
        return 0.0
    replicas = {other: served.replicas for other, served in preset.roles.items()}
    answers = sum(replicas[other] * call.waiting for other, call in calls.items())
    other_answers = max(0.0, 1 - replicas[role] / max(answers, 1e-9))
    return sum(
        _is_running(calls[other].running * other_answers) * calls[other].pass_ms
        for other in preset.shared
        if other != role
    )


def _is_running(calls: float) -> float:
    """How likely at least one call is running where so many are on average."""
    return 1 - math.exp(-calls)


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
    running = texts * pass_ms
    others = tokens * pass_ms * served.token_ms
    first = max(0.0, others + demand.read * served.token_ms - max(served.weights_ms, others))
    waiting = cpu / served.api_processes * queue / (1 - queue) / 2
    waiting += _is_running(running) * pass_ms / 2
    ms = max(cpu, served.request_ms) + waiting + first + demand.passes * pass_ms
    return _Call(ms, pass_ms - turns_ms, running, rate * ms)
