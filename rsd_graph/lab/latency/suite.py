"""All experiments of one benchmark run, and what they must show."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from typing import Any

from rsd_graph.answer.options import Lookahead
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.latency import over_http, overhead
from rsd_graph.lab.latency.hardware import MFU, presets
from rsd_graph.lab.latency.measure import ARMS, HEDGED, growth, latency, throughput
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.runtime.garbage import OBJECTS_BETWEEN_COLLECTIONS

Results = dict[str, Any]

_GROWTH_ARMS: dict[str, Lookahead | None] = {
    "lockstep": None,
    "lookahead 1": 1,
    "lookahead 4": 4,
    "lookahead auto": "auto",
    "lookahead 32": 32,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Presets by name; counts of answers or steps; 0 or empty for none."""

    presets: Sequence[str]
    rejects: Sequence[float]
    arms: Sequence[str]
    answers: int
    loaded_presets: Sequence[str]
    concurrencies: Sequence[int]
    growth_rejects: Sequence[float]
    growth_steps: Sequence[int]
    mfus: Sequence[float]
    wire_arms: Sequence[str]
    wire_answers: int
    overhead_steps: int
    real_answers: int
    wire_preset: str = "1.5b-7b-h100"


FULL = Plan(
    presets=tuple(presets()),
    rejects=(0.05, 0.15, 0.25, 0.4),
    arms=ARMS,
    answers=32,
    loaded_presets=("1.5b-7b-a100", "7b-72b-a100"),
    concurrencies=(1, 4, 16, 64, 256, 512),
    growth_rejects=(0.0, 0.05, 0.15),
    growth_steps=(6, 12, 24, 48, 96),
    mfus=(0.3, 0.5, 0.7),
    wire_arms=("sequential", "lookahead 2", "lookahead auto"),
    wire_answers=8,
    overhead_steps=100_000,
    real_answers=48,
)
QUICK = Plan(
    presets=tuple(presets()),
    rejects=(0.15,),
    arms=("lockstep", "lookahead 2", "lookahead auto"),
    answers=12,
    loaded_presets=("1.5b-7b-a100",),
    concurrencies=(32,),
    growth_rejects=(),
    growth_steps=(),
    mfus=(),
    wire_arms=("lookahead auto",),
    wire_answers=2,
    overhead_steps=500,
    real_answers=4,
)


def plan_for(quick: bool, preset: str | None) -> Plan:
    """The full or the quick plan, for all presets or one.

    Raises:
        ConfigurationError: There is no such preset.
    """
    plan = QUICK if quick else FULL
    if preset is None:
        return plan
    if preset not in presets():
        raise ConfigurationError(f"no preset {preset!r}.", expected=", ".join(presets()))
    return replace(plan, presets=(preset,), loaded_presets=(preset,), wire_preset=preset)


def run_suite(plan: Plan, tell: Callable[[str], None] = lambda what: None) -> Results:
    """Run everything in *plan*; *tell* hears what is being done."""
    started = time.perf_counter()
    found: Results = {"conditions": conditions(plan), "latency": [], "bounds": []}
    known = presets()
    for name in plan.presets:
        for rejects in plan.rejects:
            tell(f"latency of one answer (simulated): {name}, {rejects:.0%} rejected")
            workload = Workload(rejects=rejects)
            arms = (*plan.arms, HEDGED)
            rows, bound = latency(known[name], workload, arms, range(plan.answers))
            found["latency"] += map(asdict, rows)
            found["bounds"].append({"preset": name, "rejects": rejects, **asdict(bound)})
    found["throughput"] = []
    for name in plan.loaded_presets:
        for concurrency in plan.concurrencies:
            tell(f"throughput (simulated): {name}, {concurrency} at once")
            rows = throughput(known[name], Workload(), plan.arms, (concurrency,))
            found["throughput"] += map(asdict, rows)
    found |= _growth(plan, tell) | _sensitivity(plan, tell) | _measured(plan, tell)
    found["conditions"]["seconds"] = time.perf_counter() - started
    return found


def _growth(plan: Plan, tell: Callable[[str], None]) -> Results:
    rows = []
    for rejects in plan.growth_rejects:
        tell(f"PRM tokens against steps (simulated): {rejects:.0%} rejected")
        preset = presets()[plan.loaded_presets[0]]
        rows += growth(preset, rejects, _GROWTH_ARMS, plan.growth_steps)
    return {"growth": [asdict(row) for row in rows]}


def _sensitivity(plan: Plan, tell: Callable[[str], None]) -> Results:
    """How the one assumed number, the prefill efficiency, moves the latency ratios."""
    rows = []
    for mfu in plan.mfus:
        tell(f"sensitivity (simulated): prefill at {mfu:.0%} of the peak")
        for name in plan.presets:
            preset, arms = presets(mfu)[name], ("lockstep", "lookahead 2", "lookahead auto")
            found, bound = latency(preset, Workload(), arms, range(plan.answers))
            ratios = {row.arm: found[0].mean / row.mean for row in found[1:]}
            possible = found[0].mean / bound.seconds
            rows.append({"mfu": mfu, "preset": name, "bound": possible, **ratios})
    return {"sensitivity": rows}


def _measured(plan: Plan, tell: Callable[[str], None]) -> Results:
    """What runs on the real clock of this machine."""
    tell("end to end over HTTP against the simulation, on the real clock")
    preset, count = presets()[plan.wire_preset], plan.wire_answers
    checks = [over_http.check(arm, preset, range(count), 4) for arm in plan.wire_arms]
    costs = []
    few, all_steps = max(500, plan.overhead_steps // 20), plan.overhead_steps
    for lookahead, steps, every in (
        (0, few, overhead.PYTHONS_GC),
        (0, few, OBJECTS_BETWEEN_COLLECTIONS),
        (2, all_steps, OBJECTS_BETWEEN_COLLECTIONS),
    ):
        tell(f"our own CPU time over {steps:,} steps, lookahead {lookahead}, gc every {every:,}")
        costs.append(asyncio.run(overhead.measure(lookahead, steps, gc_threshold=every)))
    found = {"wire": [asdict(c) for c in checks], "overhead": [asdict(c) for c in costs]}
    return found | _real(plan, tell)


def _real(plan: Plan, tell: Callable[[str], None]) -> Results:
    if importlib.util.find_spec("xllamacpp") is None:
        tell("no real models: the extra `embedded` is not installed")
        return {"real": []}
    from rsd_graph.lab.latency import real

    tell("the shipped models through llama.cpp, really run")
    return {"real": [asdict(row) for row in real.run(plan.real_answers)]}


def conditions(plan: Plan) -> Results:
    """What the numbers were taken with."""
    packages = ("rsd-graph", "langgraph", "langchain-core", "openai", "aiohttp")
    return {
        "simulated": {name: presets()[name].hardware for name in plan.presets},
        "prefill_mfu": MFU,
        "workload": asdict(Workload()),
        "answers_per_latency_row": plan.answers,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "date": time.strftime("%Y-%m-%d"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return "source"
