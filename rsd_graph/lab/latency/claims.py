"""What the benchmark must show, held against what one run measured. A miss is shown as a miss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rsd_graph.lab.latency.measure import HEDGED
from rsd_graph.lab.latency.suite import Results

OURS = ("lookahead 2", "lookahead auto")


@dataclass(frozen=True, slots=True)
class Claim:
    """One thing to show: what, what was measured, and whether it holds."""

    what: str
    measured: str
    holds: bool


def claims(results: Results) -> list[Claim]:
    """Every claim this run has numbers for."""
    rows = [row for row in results["latency"] if row["rejects"] == 0.15]
    found = [*_near_the_bound(rows), *_faster_than_the_loop(rows)]
    found += [*_throughput(results["throughput"]), *_linear(results["growth"])]
    return [*found, *_thin(results["overhead"])]


def hedges(results: Results) -> list[str]:
    """What a hedge added to `lookahead 2` at 15 % rejected, and what it cost, a line a preset."""
    found = {(r["preset"], r["rejects"], r["arm"]): r for r in results["latency"]}
    lines = []
    for bound in results["bounds"]:
        if bound["rejects"] == 0.15:
            plain, hedged = (found[bound["preset"], 0.15, arm] for arm in ("lookahead 2", HEDGED))
            lines.append(
                f"{bound['preset']}, 15 % rejected: {1 - hedged['mean'] / plain['mean']:.1%} less "
                f"time, {hedged['target_waste']:.0f} target tokens an answer in vain, "
                f"{hedged['target_tokens']:.0f} in it"
            )
    return lines


def _near_the_bound(rows: list[Any]) -> Iterable[Claim]:
    for arm in OURS:
        ratios = {row["preset"]: row["per_bound"] for row in rows if row["arm"] == arm}
        if ratios:
            worst = max(ratios, key=ratios.__getitem__)
            yield Claim(
                f"one answer, 15 % rejected, {arm}: at most 1.08x the critical path",
                f"{ratios[worst]:.3f}x at worst ({worst})",
                ratios[worst] <= 1.08,
            )


def _faster_than_the_loop(rows: list[Any]) -> Iterable[Claim]:
    mean = {(row["preset"], row["arm"]): row for row in rows}
    for preset in dict.fromkeys(row["preset"] for row in rows if "1.5b" in row["preset"]):
        loop = mean[preset, "lockstep"]
        for arm in (*OURS, HEDGED):
            gain = loop["mean"] / mean[preset, arm]["mean"]
            yield Claim(
                f"one answer, 15 % rejected, {preset}, {arm}: 1.25x faster than the paper's loop",
                f"{gain:.3f}x; look-ahead alone could reach {loop['per_bound']:.3f}x",
                gain >= 1.25,
            )


def _throughput(rows: list[Any]) -> Iterable[Claim]:
    if not rows:
        return
    most = min(256, max(row["concurrency"] for row in rows))
    rates = {
        (row["preset"], row["arm"]): row["per_second"] for row in rows if row["concurrency"] == most
    }
    for preset in dict.fromkeys(preset for preset, _ in rates):
        for arm in ("lookahead auto", "lookahead 4"):
            if (preset, arm) in rates:
                gain = rates[preset, arm] / rates[preset, "lockstep"]
                what = f"{most} answers at once, {preset}, {arm}: twice the lockstep throughput"
                yield Claim(what, f"{gain:.2f}x", gain >= 2)


def _linear(rows: list[Any]) -> Iterable[Claim]:
    for row in rows:
        if row["arm"] == "lookahead 32":
            loop = next(
                other["exponent"]
                for other in rows
                if other["arm"] == "lockstep" and other["rejects"] == row["rejects"]
            )
            share = f"{row['rejects']:.0%} rejected"
            yield Claim(
                f"PRM tokens grow linearly with steps, runs verified, {share}",
                f"exponent {row['exponent']:.2f} (lockstep {loop:.2f})",
                row["exponent"] <= 1.1,
            )


def _thin(rows: list[Any]) -> Iterable[Claim]:
    for row in rows:
        ahead = f"{row['lookahead']}, gc every {row['gc_threshold']:,} objects"
        yield Claim(
            f"at most 1.5 ms CPU per settled step, lookahead {ahead}",
            f"{row['cpu_ms_per_step']:.2f} ms",
            row["cpu_ms_per_step"] <= 1.5,
        )
        by_cpu = 1000 / row["cpu_ms_per_step"]
        yield Claim(
            f"600 settled steps/s on one core, lookahead {ahead}",
            f"{by_cpu:.0f} by CPU time, {row['steps_per_s']:.0f} on the clock",
            by_cpu >= 600,
        )
        grown = row["memory_mb"][-1] - row["memory_mb"][4]
        yield Claim(
            f"memory flat over {row['steps']:,} steps, lookahead {ahead}",
            f"{grown:+.1f} MB of {row['memory_mb'][-1]:.0f} MB in the second half",
            grown <= 1,
        )
