"""All experiments of one benchmark run, one after the other."""

from __future__ import annotations

import asyncio
import importlib.util
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from rsd_graph.answer.options import Lookahead
from rsd_graph.lab.latency import over_http, overhead
from rsd_graph.lab.latency.hardware import Preset, Served
from rsd_graph.lab.latency.measure import ALONE, HEDGED, growth, latency, loaded
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.scope import Scope, conditions
from rsd_graph.lab.latency.workload import Workload

Results = dict[str, Any]
Sections = Mapping[str, list[Any]]

SECTIONS = (
    *("latency", "bounds", "throughput", "growth", "free", "swept"),
    *("wire", "overhead", "real"),
)

_GROWTH_ARMS: dict[str, Lookahead | None] = {
    "lockstep": None,
    "lookahead auto": "auto",
    "lookahead 32": 32,
}


@dataclass(frozen=True, slots=True)
class Experiment:
    """One thing to measure: in words, and how; what it returns is added to the sections."""

    what: str
    measure: Callable[[], Sections]


def run_suite(scope: Scope, tell: Callable[[str], None] = lambda what: None) -> Results:
    """Run what is in *scope*, as far as its seconds allow; *tell* hears what is being done."""
    started = time.perf_counter()
    found: Results = {"conditions": conditions(scope), **{name: [] for name in SECTIONS}}
    todo = list(experiments(scope))
    for number, experiment in enumerate(todo, start=1):
        if scope.seconds and time.perf_counter() - started > scope.seconds:
            left_out = [left.what for left in todo[number - 1 :]]
            found["conditions"]["left_out"] = left_out
            tell(f"left out, for {scope.seconds:.0f} s are over: {', '.join(left_out)}")
            break
        tell(f"{number}/{len(todo)} {experiment.what}")
        for section, rows in experiment.measure().items():
            found[section] += rows
    found["conditions"]["seconds"] = time.perf_counter() - started
    return found


def experiments(scope: Scope) -> Iterable[Experiment]:
    """Everything in *scope*, in order: simulated first, then what runs on this machine's clock."""
    for name in scope.presets:
        for rejects in scope.rejects:
            what = f"one answer at a time (simulated): {name}, {rejects:.0%} rejected"
            yield Experiment(what, partial(_latency, scope, name, rejects))
    for name, (arms, loads) in scope.loaded.items():
        for load in loads:
            what = f"many at once (simulated): {name}, {load}"
            yield Experiment(what, partial(_throughput, name, arms, load))
    for name in scope.growth_presets:
        for rejects in scope.growth_rejects:
            what = f"PRM tokens against steps (simulated): {name}, {rejects:.0%} rejected"
            yield Experiment(what, partial(_growth, scope, name, rejects))
    for name, loads in scope.probed.items():
        for load in loads:
            what = f"{name}, {load} at once (simulated)"
            yield Experiment(f"bottleneck: {what}", partial(_free, name, load))
            yield Experiment(f"assumptions: {what}", partial(_swept, name, load))
    yield from _measured(scope)


def _latency(scope: Scope, name: str, rejects: float) -> Sections:
    workload = Workload(rejects=rejects)
    arms = (*scope.arms, HEDGED)
    rows, bound = latency(presets()[name], workload, arms, range(scope.answers))
    about = {"preset": name, "rejects": rejects}
    return {"latency": [asdict(row) for row in rows], "bounds": [about | asdict(bound)]}


def _throughput(name: str, arms: Sequence[str], load: int) -> Sections:
    rows = [loaded(arm, presets()[name], Workload(), load) for arm in arms]
    return {"throughput": [asdict(row) for row in rows]}


def _growth(scope: Scope, name: str, rejects: float) -> Sections:
    rows = growth(presets()[name], rejects, _GROWTH_ARMS, scope.growth_steps)
    return {"growth": [{"preset": name} | asdict(row) for row in rows]}


def _free(name: str, load: int) -> Sections:
    """What throughput would be were one model free: whoever's absence helps most is in the way."""
    preset, rows = presets()[name], []
    for role in preset.roles:
        freed = preset.changed(Served.free, role)
        rate = loaded("lookahead auto", freed, Workload(), load).per_second
        rows.append({"preset": name, "concurrency": load, "free": role, "per_second": rate})
    return {"free": rows}


def _swept(name: str, load: int) -> Sections:
    """How the assumed numbers move the rates."""
    rows, loop = [], ("lockstep",) if load == 1 else ()
    for assumption, preset in assumptions(name).items():
        for arm in (*loop, "lookahead auto", *ALONE):
            rate = loaded(arm, preset, Workload(), load).per_second
            about = {"assumption": assumption, "preset": name, "concurrency": load, "arm": arm}
            rows.append(about | {"per_second": rate})
    return {"swept": rows}


def assumptions(name: str) -> dict[str, Preset]:
    """A preset under other assumptions than the usual, by what is assumed."""
    usual = presets()[name]
    found = {f"{mfu:.0%} of the peak FLOP/s": presets(mfu)[name] for mfu in (0.3, 0.7)}
    for ms in (1.0, 6.0):
        found[f"{ms:.0f} ms CPU a request"] = usual.changed(partial(replace, api_ms=ms))
    found["one API process each"] = usual.changed(partial(replace, api_processes=1))
    return found


def _measured(scope: Scope) -> Iterable[Experiment]:
    """What runs on the real clock of this machine."""
    for arm in scope.wire_arms:
        what = f"over HTTP against the simulation, on the real clock: {arm}"
        yield Experiment(what, partial(_wire, scope, arm))
    if importlib.util.find_spec("xllamacpp"):
        yield Experiment("the shipped models through llama.cpp, really run", partial(_real, scope))
    for lookahead, steps, every in scope.overheads:
        what = f"our own CPU time over {steps:,} steps, lookahead {lookahead}, gc every {every:,}"
        yield Experiment(what, partial(_overhead, lookahead, steps, every))


def _wire(scope: Scope, arm: str) -> Sections:
    preset, questions = presets()[scope.wire_preset], range(scope.wire_answers)
    return {"wire": [asdict(over_http.check(arm, preset, questions, 4))]}


def _overhead(lookahead: Lookahead, steps: int, every: int) -> Sections:
    cost = asyncio.run(overhead.measure(lookahead, steps, gc_threshold=every))
    return {"overhead": [asdict(cost)]}


def _real(scope: Scope) -> Sections:
    from rsd_graph.lab.latency import real

    return {"real": [asdict(row) for row in real.run(scope.real_answers)]}
