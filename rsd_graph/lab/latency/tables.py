"""The measured rows as markdown tables, one function for each experiment."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rsd_graph.lab.latency.measure import HEDGED
from rsd_graph.lab.latency.suite import Results

NONE = "-"
"""Where there is nothing to say."""


def table(head: str, rows: Iterable[Sequence[object]]) -> str:
    """A markdown table, its *head* divided by bars; nothing if there are no rows."""
    body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    names = head.split("|")
    rule = "|".join(["---"] * len(names))
    return "\n".join([f"| {' | '.join(names)} |", f"|{rule}|", *body]) if body else ""


def latency(rows: Sequence[Any]) -> str:
    """One answer at a time."""
    head = "preset|rejected|arm|p50 s|p95 s|mean s|x bound|first step s|draft waste|PRM tokens"
    return table(
        f"{head}|TFLOP decode-only|TFLOP full",
        (
            (
                row["preset"],
                f"{row['rejects']:.0%}",
                row["arm"],
                *(f"{row[key]:.2f}" for key in ("p50", "p95", "mean")),
                NONE if row["arm"].startswith("target") else f"{row['per_bound']:.3f}",
                NONE if row["first_step"] is None else f"{row['first_step']:.3f}",
                f"{row['waste']:.1%}",
                f"{row['prm_tokens']:,.0f}",
                f"{row['tflops_decode_only']:.2f}",
                f"{row['tflops_full']:.2f}",
            )
            for row in rows
        ),
    )


def bounds(results: Results) -> str:
    """Each critical path beside what look-ahead makes of it, without and with a hedge."""
    found = {(r["preset"], r["rejects"], r["arm"]): r for r in results["latency"]}
    head = "preset|rejected|bound s|loop / bound|lookahead 2 s|bound with a hedge s|hedged s"
    return table(
        f"{head}|target s in vain|target tokens in vain|target tokens used",
        (
            _bound(row, *(found[row["preset"], row["rejects"], arm] for arm in _COMPARED))
            for row in results["bounds"]
        ),
    )


_COMPARED = ("lockstep", "lookahead 2", HEDGED)


def _bound(bound: Any, loop: Any, plain: Any, hedged: Any) -> tuple[str, ...]:
    return (
        bound["preset"],
        f"{bound['rejects']:.0%}",
        f"{bound['seconds']:.2f}",
        f"{loop['per_bound']:.3f}",
        f"{plain['mean']:.2f}",
        f"{bound['hedged']:.2f} ({1 - bound['hedged'] / bound['seconds']:.1%} less)",
        f"{hedged['mean']:.2f} ({1 - hedged['mean'] / plain['mean']:.1%} less)",
        f"{bound['wasted_target_s']:.2f}",
        f"{hedged['target_waste']:.0f}",
        f"{hedged['target_tokens']:.0f}",
    )


def throughput(rows: Sequence[Any]) -> str:
    """Many answers at once."""
    return table(
        "preset|at once|arm|answers/s|p50 s|p95 s|waste|PRM tokens|computed / possible tokens",
        (
            (
                row["preset"],
                row["concurrency"],
                row["arm"],
                f"{row['per_second']:.2f}",
                f"{row['p50']:.1f}",
                f"{row['p95']:.1f}",
                f"{row['waste']:.0%}",
                f"{row['prm_tokens']:,.0f}",
                ", ".join(f"{role} {share:.0%}" for role, share in row["used"].items()),
            )
            for row in rows
        ),
    )


def growth(rows: Sequence[Any]) -> str:
    """PRM tokens of answers of fixed length."""
    lengths = "|".join(f"{steps} steps" for steps in rows[0]["steps"]) if rows else ""
    return table(
        f"preset|rejected|arm|{lengths}|exponent at the end",
        (
            (
                row["preset"],
                f"{row['rejects']:.0%}",
                row["arm"],
                *(f"{tokens:,.0f}" for tokens in row["prm_tokens"]),
                f"{row['exponent']:.2f}",
            )
            for row in rows
        ),
    )


def wire(rows: Sequence[Any]) -> str:
    """The whole stack over HTTP, beside the virtual clock."""
    return table(
        "preset|arm|answers|at once|HTTP s|virtual s|ratio|CPU|load|same steps",
        (
            (
                *(row[key] for key in ("preset", "arm", "answers", "concurrency")),
                f"{row['wire_s']:.2f}",
                f"{row['virtual_s']:.2f}",
                f"{row['wire_s'] / row['virtual_s']:.3f}",
                f"{row['cpu_share']:.1%}",
                f"{row['load']:.1f}",
                "yes" if row["same_steps"] else "no",
            )
            for row in rows
        ),
    )


def overhead(rows: Sequence[Any]) -> str:
    """Our own CPU time and memory."""
    return table(
        "lookahead|steps|at once|gc every|CPU ms/step|steps/s|MB after 10 %|MB at the end",
        (
            (
                row["lookahead"],
                f"{row['steps']:,}",
                row["concurrency"],
                f"{row['gc_threshold']:,}",
                f"{row['cpu_ms_per_step']:.2f}",
                f"{row['steps_per_s']:.0f}",
                f"{row['memory_mb'][0]:.0f}",
                f"{row['memory_mb'][-1]:.0f}",
            )
            for row in rows
        ),
    )


def real(rows: Sequence[Any]) -> str:
    """The shipped models."""
    return table(
        "arm|at once|answers|mean s|p50 s|first step s|waste|PRM calls|same steps",
        (
            (
                *(row[key] for key in ("arm", "concurrency", "answers")),
                *(f"{row[key]:.3f}" for key in ("mean", "p50", "first_step")),
                f"{row['waste']:.0%}",
                f"{row['prm_calls']:.1f}",
                f"{row['same_steps']:.0%}",
            )
            for row in rows
        ),
    )
