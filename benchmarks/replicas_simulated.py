"""Replicas of every role, SIMULATED: how to divide the GPUs, and what becomes of 10,000 answers.

    nice -n 12 python -m benchmarks.replicas_simulated [--large [ROUTING ...]]

writes `results/replicas_simulated.md` in a quarter of an hour of CPU time. With `--large` it looks
at 100,000 answers in flight instead, in half an hour and 10 GB of memory for each routing, and
writes the routing's row into `results/replicas_simulated_large.md`; `--large rendezvous` does one.
No GPU and no model is involved: servers as `rsd_graph/lab/latency/hardware.py` believes them to be,
on a virtual clock; the routing is our client's own code.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from rsd_graph.lab.latency.hardware import Preset
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.routing import Routing
from rsd_graph.lab.latency.steady import Steady, steady
from rsd_graph.lab.latency.tables import table
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.mean_value import Traffic, forecast

RESULTS = Path(__file__).parent / "results"
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
ROUTINGS: Sequence[Routing] = get_args(Routing)
Fleet = tuple[Look, Routing, Steady]
"""How it was looked at, how requests were routed, and what was seen."""


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


def tell(what: str) -> None:
    """That it is done."""
    print(what, file=sys.stderr, flush=True)


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


def looked(look: Look, routing: Routing) -> Fleet:
    """A fleet at work, and that it has been looked at."""
    units = look.in_flight // UNIT_IN_FLIGHT
    preset = with_replicas(presets()["1.5b-7b-a100"], [units * each for each in UNIT])
    found = steady(
        preset, WORKLOAD, look.in_flight, routing=routing, warm=look.warm, steps=look.steps
    )
    tell(f"{look} {routing}")
    return look, routing, found


def scaled(looks: Sequence[Look]) -> list[Fleet]:
    """More and more of the same unit, with more and more answers."""
    return [looked(look, routing) for look in looks for routing in ROUTINGS]


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


def scale_table(found: Sequence[Fleet]) -> str:
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


def report(by_preset: Mapping[str, Sequence[Division]], found: Sequence[Fleet]) -> str:
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
        "larger ones are looked at for fewer, for the CPU's sake, and 1,000 both ways. "
        "[100,000](replicas_simulated_large.md) have a page of their own.",
        "",
        scale_table(found),
        "",
    ]
    return "\n".join(lines)


def large_report(table_lines: Sequence[str]) -> str:
    """The page of the largest fleet, with the rows of the routings that are done."""
    lines = [
        f"# {LARGE.in_flight:,} answers in flight, simulated",
        "",
        "`python -m benchmarks.replicas_simulated --large`. **A simulation**, as "
        "[the smaller fleets](replicas_simulated.md) are, whose page says what is assumed and what "
        "the columns mean.",
        "",
        *table_lines,
        "",
    ]
    return "\n".join(lines)


def large_table(routing: Routing) -> Sequence[str]:
    """The largest fleet at work, as a table of one row: its three lines."""
    gc.disable()  # millions of objects live on: looking for dead ones takes a third of the time
    return scale_table([looked(LARGE, routing)]).splitlines()


def large(routings: Sequence[Routing]) -> None:
    """Run these and write their rows in place of the page's; each in a process, for its memory."""
    page = RESULTS / "replicas_simulated_large.md"
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as one_by_one:
        for routing in routings:
            head, rule, row = one_by_one.submit(large_table, routing).result()
            rows = [line for line in page.read_text("utf-8").splitlines() if is_row(line)]
            kept = [each for each in rows if f"| {routing} |" not in each]
            page.write_text(large_report([head, rule, *kept, row]), "utf-8")


def is_row(line: str) -> bool:
    """Whether it is a fleet's row."""
    return line.startswith(f"| {LARGE.in_flight:,} |")


def main() -> None:
    """One of the two pages; of the large one, the rows of the routings that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", nargs="*", choices=ROUTINGS, metavar="ROUTING")
    routings = parser.parse_args().large
    if routings is not None:
        large(routings or ROUTINGS)
        return
    divisions_found = {name: divided(name, *size) for name, size in DIVIDED.items()}
    text = report(divisions_found, scaled(LOOKS))
    (RESULTS / "replicas_simulated.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
