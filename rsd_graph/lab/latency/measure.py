"""The experiments on the virtual clock: latency, throughput, PRM tokens against answer length."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, quantiles

from rsd_graph.answer.flops import PerRole, flops
from rsd_graph.answer.ledger import Ledger, settled_tokens
from rsd_graph.answer.options import Lookahead
from rsd_graph.lab.latency.bound import Bound, critical_path
from rsd_graph.lab.latency.clock import run_virtual
from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.loops import Answered, graph_arm, lockstep_arm, target_arm
from rsd_graph.lab.latency.scheduler import Engine
from rsd_graph.lab.latency.simulated import Simulated
from rsd_graph.lab.latency.workload import Workload

LOOKAHEAD: dict[str, Lookahead] = {"sequential": 0, "lookahead 2": 2, "lookahead auto": "auto"}
HEDGED = "lookahead 2, hedged"
"""For one answer at a time, which is what a hedge is for; it is not among the arms under load."""
ALONE = ("target only", "target only, all GPUs")


@dataclass(frozen=True, slots=True)
class Row:
    """One arm under one condition. Seconds are simulated.

    Attributes:
        per_bound: Mean latency over the mean critical path (`bound.py`), where it was computed.
        first_step: Median time to the first settled step; `None` for arms without steps.
        waste: Share of draft tokens written in vain, an upper bound for cancelled ones included.
        target_tokens: Target tokens in the answer, per answer.
        target_waste: Target tokens written in vain, per answer; an upper bound like `waste`.
        per_second: Answers per second while as many as may be are in flight (see `steady_rate`).
        prm_tokens: Prompt tokens the PRM computed, per answer.
        tflops_decode_only: Per answer, as the paper counts (generated tokens only).
        tflops_full: Per answer, every token read or written and not served from cache.
        used: Tokens each model computed, as a share of those it could have computed in the time.
    """

    preset: str
    arm: str
    rejects: float
    concurrency: int
    answers: int
    mean: float
    p50: float
    p95: float
    first_step: float | None
    per_second: float
    waste: float
    target_tokens: float
    target_waste: float
    prm_tokens: float
    prm_calls: float
    tflops_decode_only: float
    tflops_full: float
    used: dict[str, float]
    per_bound: float | None = None


def run(
    arm: str, preset: Preset, workload: Workload, questions: Sequence[int], concurrency: int
) -> tuple[list[Answered], Simulated]:
    """Answer *questions* with one arm on servers of its own, *concurrency* at a time."""
    if arm == "target only, all GPUs":
        preset = replace(preset, target=preset.target.on(preset.gpus))
    servers = Simulated.of(preset, workload)
    if arm == "lockstep":
        return run_virtual(lockstep_arm(questions, concurrency, servers)), servers
    if arm == HEDGED:
        return run_virtual(graph_arm(questions, concurrency, servers, 2, hedge=0)), servers
    if arm in LOOKAHEAD:
        ahead = LOOKAHEAD[arm]
        return run_virtual(graph_arm(questions, concurrency, servers, ahead)), servers
    return run_virtual(target_arm(questions, concurrency, servers.target)), servers


def bounds(preset: Preset, workload: Workload, questions: Iterable[int]) -> list[Bound]:
    """The critical path of each question, on servers nobody else uses."""

    async def all_paths() -> list[Bound]:
        servers = Simulated.of(preset, workload)
        return [await critical_path(question, servers) for question in questions]

    return run_virtual(all_paths())


def row(
    arm: str, preset: Preset, workload: Workload, questions: Sequence[int], concurrency: int
) -> Row:
    """Run one arm and sum it up; answers that were under way count in its rate only."""
    answered, servers = run(arm, preset, workload, questions, concurrency)
    span = max(answer.finished_at for answer in answered)
    rate = len(answered) / span if arm == "lockstep" else steady_rate(answered, workload)
    whole = [answer for answer in answered if answer.question >= workload.begun]
    latencies = sorted(answer.latency for answer in whole)
    ledgers = [answer.ledger for answer in whole]
    costs = [flops(ledger, _parameters(preset)) for ledger in ledgers]
    drafted = sum(lg["draft"]["completion_tokens"] + lg["cancelled_draft_tokens"] for lg in ledgers)
    vain = sum(lg["wasted_draft_tokens"] + lg["cancelled_draft_tokens"] for lg in ledgers)
    return Row(
        preset=preset.name,
        arm=arm,
        rejects=workload.rejects,
        concurrency=concurrency,
        answers=len(whole),
        mean=fmean(latencies),
        p50=_percentile(latencies, 50),
        p95=_percentile(latencies, 95),
        first_step=None
        if arm.startswith("target")
        else _percentile([answer.first_step for answer in whole], 50),
        per_second=rate,
        waste=vain / drafted if drafted else 0.0,
        target_tokens=fmean(settled_tokens(lg) - lg["kept_draft_tokens"] for lg in ledgers),
        target_waste=fmean(
            lg["wasted_target_tokens"] + lg["cancelled_target_tokens"] for lg in ledgers
        ),
        prm_tokens=fmean(map(_prm_computed, ledgers)),
        prm_calls=fmean(lg["prm"]["calls"] for lg in ledgers),
        tflops_decode_only=fmean(cost["decode_only"] for cost in costs) / 1e12,
        tflops_full=fmean(cost["full"] for cost in costs) / 1e12,
        used={role: _used(engines, span) for role, engines in servers.engines.items()},
    )


def steady_rate(answered: Sequence[Answered], workload: Workload) -> float:
    """Steps settled per second over the steps of an answer, while as many as may be are in flight.

    That is from a quarter of the time on until the last answer is begun. Later the house empties,
    and what is measured is how fast the longest answers are.
    """
    closes = max(answer.begun_at for answer in answered)
    if not closes:  # all at once
        return len(answered) / max(answer.finished_at for answer in answered)
    opens = closes / 4
    settled = sum(opens < clock <= closes for answer in answered for clock in answer.settled_at)
    return settled / workload.mean_length() / (closes - opens)


def _used(engines: Sequence[Engine], span: float) -> float:
    """Computed over possible tokens; of a model that costs nothing, none."""
    computed = sum(engine.computed_tokens for engine in engines)
    return computed * engines[0].served.token_ms / (len(engines) * span * 1000)


def _prm_computed(ledger: Ledger) -> int:
    return ledger["prm"]["prompt_tokens"] - ledger["prm"]["cached_tokens"]


def latency(
    preset: Preset, workload: Workload, arms: Sequence[str], questions: Sequence[int]
) -> tuple[list[Row], Bound]:
    """One answer at a time with each arm; the mean critical path of the same questions."""
    paths = bounds(preset, workload, questions)
    mean = Bound(
        fmean(path.seconds for path in paths),
        fmean(path.hedged for path in paths),
        fmean(path.wasted_target_s for path in paths),
    )
    rows = [row(arm, preset, workload, questions, 1) for arm in arms]
    return [replace(item, per_bound=item.mean / mean.seconds) for item in rows], mean


def loaded(arm: str, preset: Preset, workload: Workload, concurrency: int) -> Row:
    """As many whole answers as may run at once (at least 32), after as many that are under way.

    Lockstep takes twice as many in two batches; it has no steady state to begin in.
    """
    whole = max(32, concurrency)
    begun = 0 if arm == "lockstep" else concurrency
    under_way = replace(workload, begun=begun)
    return row(
        arm, preset, under_way, range(2 * concurrency if not begun else begun + whole), concurrency
    )


@dataclass(frozen=True, slots=True)
class Growth:
    """PRM tokens computed per answer of fixed length, and the exponent they grow with.

    `exponent` is the slope between the two longest in a log-log plot: 1 is linear, 2 quadratic.
    """

    arm: str
    rejects: float
    steps: list[int]
    prm_tokens: list[float]
    exponent: float


def growth(
    preset: Preset, rejects: float, lookaheads: dict[str, Lookahead | None], steps: Sequence[int]
) -> list[Growth]:
    """8 answers at once of each length in *steps*; `None` stands for the lockstep loop."""
    found = []
    for arm, lookahead in lookaheads.items():
        tokens = [_prm_tokens(preset, rejects, lookahead, length) for length in steps]
        slope = math.log(tokens[-1] / tokens[-2]) / math.log(steps[-1] / steps[-2])
        found.append(Growth(arm, rejects, list(steps), tokens, slope))
    return found


def _prm_tokens(
    preset: Preset, rejects: float, lookahead: Lookahead | None, length: int, answers: int = 8
) -> float:
    workload = Workload(rejects=rejects, steps=length, steps_spread=0)
    servers = Simulated.of(preset, workload)
    if lookahead is None:
        answered = run_virtual(lockstep_arm(range(answers), answers, servers))
    else:
        answered = run_virtual(graph_arm(range(answers), answers, servers, lookahead))
    return fmean(_prm_computed(answer.ledger) for answer in answered)


def _parameters(preset: Preset) -> PerRole:
    roles = (preset.draft, preset.target, preset.prm)
    return PerRole(*(served.model.parameters * 1e9 for served in roles))


def _percentile(values: Sequence[float], percent: int) -> float:
    """Linear between neighbours; the value itself if there is only one."""
    if len(values) < 2:
        return values[0]
    return quantiles(values, n=100, method="inclusive")[percent - 1]
