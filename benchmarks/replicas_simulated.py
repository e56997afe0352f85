"""Replicas of every role, SIMULATED: how to divide the GPUs, and what becomes of 10,000 answers.

    nice -n 12 python -m benchmarks.replicas_simulated [--large]

writes `results/replicas_simulated.md` in a quarter of an hour of CPU time; with 100,000 answers in
flight, in an hour more, and in 7 GB of memory. No GPU and no model is involved: servers as
`rsd_graph/lab/latency/hardware.py` believes them to be, on a virtual clock; the routing is our
client's own code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.routing import Routing
from rsd_graph.lab.latency.steady import Steady, steady
from rsd_graph.lab.latency.tables import table
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.mean_value import Traffic, forecast

RESULT = Path(__file__).parent / "results" / "replicas_simulated.md"
WORKLOAD = Workload()
DIVIDED = {"1.5b-7b-a100": (8, 200), "7b-72b-a100": (16, 200)}
"""Presets whose GPUs are divided in every way: how many GPUs, and answers in flight."""
SHOWN = 6

UNIT, UNIT_IN_FLIGHT = (1, 1, 2), 100
"""Replicas of draft, target and PRM for so many answers in flight, 1.5B/7B."""


@dataclass(frozen=True, slots=True)
class Look:
    """How many answers are in flight, and for how many steps of each the fleet is looked at."""

    in_flight: int
    warm: int
    steps: int


LOOKS = (Look(100, 4, 12), Look(1000, 4, 12), Look(1000, 1, 2), Look(10_000, 1, 2))


LARGE = Look(100_000, 1, 2)
NOT_RUN = (
    "100,000 were not run: with 4,000 an answer took 10 ms of CPU and 62 kB here, so it would be "
    "17 minutes and 6 GB for each routing; `--large` does. With affinity they would be ten of the "
    "last fleet; without, there is no cache left to lose."
)


@dataclass(frozen=True, slots=True)
class Division:
    """One way to divide the GPUs, as planned and as simulated."""

    replicas: Sequence[int]
    planned: float
    found: Steady


def with_replicas(preset: Preset, replicas: Sequence[int]) -> Preset:
    """So many replicas of draft, target and PRM."""
    draft, target, prm = replicas
    return replace(
        preset,
        draft=replace(preset.draft, replicas=draft),
        target=replace(preset.target, replicas=target),
        prm=replace(preset.prm, replicas=prm),
    )


def divisions(preset: Preset, gpus: int) -> Iterator[Sequence[int]]:
    """All numbers of replicas of draft, target and PRM that use exactly so many GPUs."""
    for draft in range(1, gpus):
        for target in range(1, gpus):
            prm = gpus - draft - target * preset.target.gpus
            if prm > 0:
                yield draft, target, prm


def divided(name: str, gpus: int, in_flight: int) -> list[Division]:
    """Every division, the fastest first."""
    found = []
    for replicas in divisions(presets()[name], gpus):
        preset = with_replicas(presets()[name], replicas)
        planned = forecast(preset, WORKLOAD, Traffic(in_flight=in_flight))
        assert planned is not None, "so many in flight are always settled at some rate"
        at_work = steady(preset, WORKLOAD, in_flight, warm=2, steps=6)
        found.append(Division(replicas, planned.per_second, at_work))
        tell(f"{name} {replicas}")
    return sorted(found, key=lambda one: one.found.per_second, reverse=True)


def scaled(looks: Sequence[Look]) -> Iterator[tuple[Look, Routing, Steady]]:
    """More and more of the same unit, with more and more answers."""
    for look in looks:
        units = look.in_flight // UNIT_IN_FLIGHT
        preset = with_replicas(presets()["1.5b-7b-a100"], [units * each for each in UNIT])
        for routing in get_args(Routing):
            found = steady(
                preset,
                WORKLOAD,
                look.in_flight,
                routing=routing,
                warm=look.warm,
                steps=look.steps,
            )
            yield look, routing, found
            tell(f"{look} {routing}")


def tell(what: str) -> None:
    """That it is done."""
    print(what, file=sys.stderr, flush=True)


def division_table(found: Sequence[Division]) -> str:
    """The fastest, and what the plan says of them."""
    rows = [
        [
            *one.replicas,
            f"{one.found.per_second:.1f}",
            f"{one.planned:.1f}",
            *(f"{share:.0%}" for share in one.found.busy.values()),
        ]
        for one in found[:SHOWN]
    ]
    head = "draft|target|PRM|answers/s|planned|draft busy|target busy|PRM busy"
    return table(head, rows)


def scale_table(found: Sequence[tuple[Look, Routing, Steady]]) -> str:
    """One row for each number of answers and each routing."""
    rows = []
    for look, routing, at_work in found:
        units = look.in_flight // UNIT_IN_FLIGHT
        rows.append(
            [
                f"{look.in_flight:,}",
                " + ".join(f"{units * each:,}" for each in UNIT),
                routing,
                f"{look.warm} + {look.steps}",
                f"{at_work.per_second:,.1f}",
                f"{at_work.per_second / units:.1f}",
                *(f"{share:.0%}" for share in at_work.cached.values()),
                f"{at_work.least_busy['prm']:.0%}",
            ]
        )
    head = "in flight|draft + target + PRM|routing|steps|answers/s|of a unit"
    cached = "draft cached|target cached|PRM cached|idlest PRM busy"
    return table(f"{head}|{cached}", rows)


def agreement(found: Sequence[Division]) -> str:
    """How near the plan is, and how good the division is that it likes best."""
    ratios = [one.planned / one.found.per_second for one in found]
    liked = max(found, key=lambda one: one.planned)
    reached = liked.found.per_second / found[0].found.per_second
    return (
        f"`rsd-graph plan` likes {' + '.join(map(str, liked.replicas))} best, which reaches "
        f"{reached:.0%} of the fastest; planned over simulated, over all {len(found)} divisions: "
        f"{min(ratios):.2f} to {max(ratios):.2f}."
    )


def report(
    by_preset: Mapping[str, Sequence[Division]], found: Sequence[tuple[Look, Routing, Steady]]
) -> str:
    """The page."""
    lines = [
        "# Replicas of every role, simulated",
        "",
        "`python -m benchmarks.replicas_simulated`. **A simulation**: published and derived "
        "numbers of hardware on a virtual clock, no GPU and no model. "
        f"{WORKLOAD.rejects:.0%} of the draft's steps are rejected; answers of "
        f"{WORKLOAD.steps:.0f} steps of {WORKLOAD.step_tokens:.0f} tokens; "
        "a 7B PRM that judges the last token; no look-ahead.",
        "",
        "## How many replicas of each role keep all busy",
        "",
        f"Every division of the GPUs; the {SHOWN} fastest are shown. *Busy* is the share of the "
        "time in which a pass was running.",
    ]
    for name, divided_so in by_preset.items():
        gpus, in_flight = DIVIDED[name]
        hardware = presets()[name].hardware.split(" x ")[1]
        each = presets()[name].target.gpus
        lines += [
            "",
            f"### {name}: {gpus} x {hardware}, {in_flight} answers in flight"
            + (f", {each} GPUs to a target" if each > 1 else ""),
            "",
            division_table(divided_so),
            "",
            agreement(divided_so),
        ]
    lines += [
        "",
        "## More and more of the same",
        "",
        f"1.5b-7b-a100; a unit of {' + '.join(map(str, UNIT))} replicas for every "
        f"{UNIT_IN_FLIGHT} answers in flight. *in turn*: answers are dealt out evenly and stay "
        "where they are; *rendezvous*: our client's own code; *scattered*: every request goes to "
        "the next replica. *steps*: of each answer, before and while the fleet is looked at; the "
        "larger ones are looked at for fewer, for the CPU's sake, and 1,000 both ways.",
        "",
        scale_table(found),
        "",
        *([] if found[-1][0] == LARGE else [NOT_RUN]),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    looks = (*LOOKS, LARGE) if sys.argv[1:] == ["--large"] else LOOKS
    divisions_found = {name: divided(name, *size) for name, size in DIVIDED.items()}
    RESULT.write_text(report(divisions_found, list(scaled(looks))), encoding="utf-8")
    print(RESULT)
