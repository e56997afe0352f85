"""Results as markdown tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rsd_graph.lab.latency.claims import claims
from rsd_graph.lab.latency.measure import HEDGED
from rsd_graph.lab.latency.suite import Results

_NONE = "-"

HEADER = (
    "This is a latency SIMULATION: the servers are simulated (see rsd_graph/bench/hardware.py for "
    "what is believed of the hardware, and where that was published). The graph, look-ahead and "
    "accounting are the real code. Sections marked *real* were run on this machine."
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
        ("What must be shown, and what was measured", _claims(results)),
        ("One answer at a time", _latency(results["latency"])),
        ("The critical path, and what a hedge adds and costs", _bounds(results)),
        ("Many answers at once, 15 % rejected", _throughput(results["throughput"])),
        ("PRM tokens per answer against steps, 32 answers at once", _growth(results["growth"])),
        ("How much hangs on the assumed prefill efficiency", _sensitivity(results)),
        ("Over HTTP on the real clock", _wire(results["wire"])),
        ("Our own CPU time (*real*, instant endpoints)", _overhead(results["overhead"])),
        ("The shipped models through llama.cpp (*real*)", _real(results["real"])),
        ("Conditions", f"```json\n{json.dumps(results['conditions'], indent=1)}\n```"),
    ]
    body = "\n\n".join(f"## {title}\n\n{text}" for title, text in sections if text)
    return f"# Latency benchmark\n\n{HEADER}\n\n{body}\n"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A markdown table; nothing if there are no rows."""
    body = [f"| {' | '.join(map(str, row))} |" for row in rows]
    rule = "|".join(["---"] * len(head))
    return "\n".join([f"| {' | '.join(head)} |", f"|{rule}|", *body]) if body else ""


def _claims(results: Results) -> str:
    rows = [(c.what, c.measured, "yes" if c.holds else "**no**") for c in claims(results)]
    return table(("claim", "measured", "holds"), rows)


def _latency(rows: Sequence[Any]) -> str:
    head = "preset|rejected|arm|p50 s|p95 s|mean s|x bound|first step s|draft waste|PRM tokens"
    return table(
        (*head.split("|"), "TFLOP decode-only", "TFLOP full"),
        (
            (
                row["preset"],
                f"{row['rejects']:.0%}",
                row["arm"],
                *(f"{row[key]:.2f}" for key in ("p50", "p95", "mean")),
                _NONE if row["arm"].startswith("target") else f"{row['per_bound']:.3f}",
                _NONE if row["first_step"] is None else f"{row['first_step']:.3f}",
                f"{row['waste']:.1%}",
                f"{row['prm_tokens']:,.0f}",
                f"{row['tflops_decode_only']:.2f}",
                f"{row['tflops_full']:.2f}",
            )
            for row in rows
        ),
    )


def _bounds(results: Results) -> str:
    """Each critical path beside what look-ahead makes of it, without and with a hedge."""
    found = {(r["preset"], r["rejects"], r["arm"]): r for r in results["latency"]}
    head = "preset|rejected|bound s|loop / bound|lookahead 2 s|bound with a hedge s|hedged s"
    return table(
        (*head.split("|"), "target s in vain", "target tokens in vain", "target tokens used"),
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


def _throughput(rows: Sequence[Any]) -> str:
    return table(
        ("preset", "at once", "arm", "answers/s", "p50 s", "p95 s", "waste", "PRM tokens", "busy"),
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
                ", ".join(f"{role} {share:.0%}" for role, share in row["busy"].items()),
            )
            for row in rows
        ),
    )


def _growth(rows: Sequence[Any]) -> str:
    if not rows:
        return ""
    lengths = [f"{steps} steps" for steps in rows[0]["steps"]]
    return table(
        ("rejected", "arm", *lengths, "exponent at the end"),
        (
            (
                f"{row['rejects']:.0%}",
                row["arm"],
                *(f"{tokens:,.0f}" for tokens in row["prm_tokens"]),
                f"{row['exponent']:.2f}",
            )
            for row in rows
        ),
    )


def _sensitivity(results: Results) -> str:
    rows = results["sensitivity"]
    arms = [key for key in (rows[0] if rows else {}) if key.startswith("lookahead")]
    return table(
        ("prefill MFU", "preset", "loop / bound", *(f"loop / {arm}" for arm in arms)),
        (
            (row["mfu"], row["preset"], *(f"{row[key]:.3f}" for key in ("bound", *arms)))
            for row in rows
        ),
    )


def _wire(rows: Sequence[Any]) -> str:
    return table(
        [
            "preset",
            "arm",
            "answers",
            "at once",
            "HTTP s",
            "virtual s",
            "ratio",
            "CPU",
            "load",
            "same steps",
        ],
        (
            (
                row["preset"],
                row["arm"],
                row["answers"],
                row["concurrency"],
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


def _overhead(rows: Sequence[Any]) -> str:
    return table(
        [
            "lookahead",
            "steps",
            "at once",
            "gc every",
            "CPU ms/step",
            "steps/s",
            "MB after 10 %",
            "MB at the end",
        ],
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


def _real(rows: Sequence[Any]) -> str:
    return table(
        [
            "arm",
            "at once",
            "answers",
            "mean s",
            "p50 s",
            "first step s",
            "waste",
            "PRM calls",
            "same steps",
        ],
        (
            (
                row["arm"],
                row["concurrency"],
                row["answers"],
                *(f"{row[key]:.3f}" for key in ("mean", "p50", "first_step")),
                f"{row['waste']:.0%}",
                f"{row['prm_calls']:.1f}",
                f"{row['same_steps']:.0%}",
            )
            for row in rows
        ),
    )
