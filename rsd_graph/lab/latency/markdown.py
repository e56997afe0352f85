"""Results as markdown tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rsd_graph.lab.latency import tables
from rsd_graph.lab.latency.claims import claims
from rsd_graph.lab.latency.pays import comparisons, losses
from rsd_graph.lab.latency.suite import Results
from rsd_graph.lab.latency.tables import NONE, table

HEADER = (
    "This is a latency SIMULATION: the servers are simulated (see "
    "rsd_graph/lab/latency/hardware.py for what is believed of the hardware, and where that was "
    "published). The graph, look-ahead and accounting are the real code. Sections marked *real* "
    "were run on this machine."
)

SATURATED = (
    "No loop can mend the losses at high loads: GPUs that compute all the time settle as many "
    "answers as their FLOPs allow, so that RSD on the same GPUs tends to 1 / *FLOPs full* of the "
    "target's throughput (the column *saturated*). What mends them is fewer FLOPs: a smaller PRM, "
    "or a verdict without one. A cascade saves the PRM calls and few FLOPs: it reads the steps it "
    "was not asked about with the next one it is."
)


def write(results: Results, folder: Path) -> list[Path]:
    """Write `latency.json` and `latency.md` into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    data, text = folder / "latency.json", folder / "latency.md"
    data.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text.write_text(markdown(results), encoding="utf-8")
    return [data, text]


def markdown(results: Results) -> str:
    """The whole report."""
    sections = [
        ("Where RSD loses, and what it costs", _losses(results["throughput"])),
        ("RSD beside the target alone, 15 % rejected", _pays(results["throughput"])),
        ("What must be shown, and what was measured", _claims(results)),
        ("The bottleneck: what throughput would be were one model free", _free(results)),
        ("How much hangs on what is assumed", _swept(results)),
        ("One answer at a time", tables.latency(results["latency"])),
        ("The critical path, and what a hedge adds and costs", tables.bounds(results)),
        ("Many answers at once, 15 % rejected", tables.throughput(results["throughput"])),
        (
            "PRM tokens computed per answer against steps, 8 at once",
            tables.growth(results["growth"]),
        ),
        ("Over HTTP on the real clock", tables.wire(results["wire"])),
        ("Our own CPU time (*real*, instant endpoints)", tables.overhead(results["overhead"])),
        ("The shipped models through llama.cpp (*real*)", tables.real(results["real"])),
        ("Conditions", f"```json\n{json.dumps(results['conditions'], indent=1)}\n```"),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections if text)
    return f"# Latency benchmark\n\n{HEADER}\n\n{body}\n"


def _losses(rows: Sequence[object]) -> str:
    said = [f"* {line}." for line in losses(comparisons(rows))]
    return "\n".join([*said, "", SATURATED]) if said else ""


def _pays(rows: Sequence[object]) -> str:
    return table(
        "preset|at once|RSD answers/s|over target|over target on all GPUs|saturated|p50 s|"
        "target p50 s|all GPUs p50 s|FLOPs decode-only|FLOPs full",
        (
            (
                item.preset,
                item.load,
                f"{item.rsd:.2f}",
                _ratio(item.over_target),
                _ratio(item.over_all),
                f"{item.saturated:.2f}x",
                *(f"{seconds:.1f}" for seconds in item.seconds),
                f"{item.decode_only:.2f}x",
                f"{item.full:.2f}x",
            )
            for item in comparisons(rows)
        ),
    )


def _ratio(value: float) -> str:
    """A loss stands out."""
    return f"{value:.2f}x" if value >= 1 else f"**{value:.2f}x**"


def _claims(results: Results) -> str:
    rows = [(c.what, c.measured, "yes" if c.holds else "**no**") for c in claims(results)]
    return table("claim|measured|holds", rows)


def _free(results: Results) -> str:
    rates = {
        (row["preset"], row["concurrency"]): row["per_second"]
        for row in results["throughput"]
        if row["arm"] == "lookahead auto"
    }
    freed: dict[tuple[str, int], dict[str, float]] = {}
    for row in results["free"]:
        freed.setdefault((row["preset"], row["concurrency"]), {})[row["free"]] = row["per_second"]
    return table(
        "preset|at once|RSD answers/s|draft free|target free|PRM free|bottleneck",
        (
            (
                *place,
                f"{rates[place]:.2f}",
                *(f"{found[role]:.2f}" for role in ("draft", "target", "prm")),
                max(found, key=found.__getitem__),
            )
            for place, found in freed.items()
        ),
    )


def _swept(results: Results) -> str:
    """Every assumption beside the usual ones."""
    usual = [{"assumption": "as assumed"} | row for row in results["throughput"]]
    probed = {(row["preset"], row["concurrency"]) for row in results["swept"]}
    found: dict[tuple[Any, ...], dict[str, float]] = {}
    for row in [*usual, *results["swept"]]:
        if (row["preset"], row["concurrency"]) in probed:
            place = row["preset"], row["concurrency"], row["assumption"]
            found.setdefault(place, {})[row["arm"]] = row["per_second"]
    return table(
        "preset|at once|assumption|RSD answers/s|over target|over target on all GPUs|over lockstep",
        ((*place, *_over(rates)) for place, rates in sorted(found.items(), key=lambda f: f[0][:2])),
    )


def _over(rates: dict[str, float]) -> Iterable[str]:
    ours = rates["lookahead auto"]
    yield f"{ours:.2f}"
    for arm in ("target only", "target only, all GPUs", "lockstep"):
        yield _ratio(ours / rates[arm]) if arm in rates else NONE
