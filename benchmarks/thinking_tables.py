"""The tables of `results/thinking.md`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from statistics import fmean

from benchmarks.arms import DELTA
from rsd_graph.answer.flops import PerRole, flops
from rsd_graph.answer.ledger import Ledger, stored_ledger
from rsd_graph.embedded.card import read_card
from rsd_graph.lab.experiment import environment
from rsd_graph.lab.journal import Record
from rsd_graph.lab.report.summary import compare
from rsd_graph.lab.report.text import UNITS, markdown_table, percent, points, scaled
from rsd_graph.lab.statistics import wilson_interval

RSD, TARGET = f"RSD {DELTA:g}, the PRM judges every step", "target alone"
HEADERS = [
    *("arm", "right % [95 %]", "vs RSD: points (only RSD right, only this, p)", "vs target (p)"),
    *("steps by the target", "tokens written: draft, target, PRM"),
    *("FLOPs decode-only", "FLOPs full", "of the target's, full"),
]

_SETS = {
    "thinking": "that think before they answer (`embedded:thinking-draft`, ...)",
    "not thinking": "that answer at once (`embedded:draft`, ...)",
}

Answers = Mapping[str, Sequence[Record]]
"""The answers of each arm, by its name in the table."""


def row(name: str, found: Answers, sizes: PerRole) -> list[str]:
    """What an arm did, beside RSD and the target alone."""
    records = found[name]
    ledgers = ledgers_of(records)
    right = sum(bool(record.get("correct")) for record in records)
    versus, target = compare(records, found[RSD]), compare(records, found[TARGET])
    said = f"{points(versus.difference)} ({versus.only_second}, {versus.only_first}, "
    steps = sum(ledger["accepted_steps"] + ledger["target_steps"] for ledger in ledgers)
    share = sum(ledger["target_steps"] for ledger in ledgers) / max(1, steps)
    written = [
        fmean(ledger[role]["completion_tokens"] for ledger in ledgers)
        for role in ("draft", "target", "prm")
    ]
    decoded, full = (mean_flops(records, sizes, kind) for kind in ("decode_only", "full"))
    costs = [scaled(spent, UNITS[1:3]) for spent in (decoded, full)]
    return [
        name,
        percent(wilson_interval(right, len(records))),
        "" if name == RSD else f"{said}{versus.p_value:.2g})",
        "" if name == TARGET else f"{100 * target.difference.value:+.1f} ({target.p_value:.2g})",
        f"{share:.1%}",
        ", ".join(f"{tokens:.0f}" for tokens in written),
        *(f"{number:.1f}{unit}" for number, unit in costs),
        f"{full / mean_flops(found[TARGET], sizes, 'full'):.0%}",
    ]


def ledgers_of(records: Sequence[Record]) -> list[Ledger]:
    """What each answer took; of one that failed that is not known, and it is left out."""
    return [stored_ledger(record["ledger"]) for record in records if record["ledger"]]


def mean_flops(records: Sequence[Record], sizes: PerRole, kind: str) -> float:
    """FLOPs of a question that was answered, in one accounting."""
    return fmean(flops(ledger, sizes)[kind] for ledger in ledgers_of(records))


def page(parts: Mapping[str, Answers], chosen_on: int) -> str:
    """The committed tables."""
    said = ", ".join(f"{name} {value}" for name, value in environment().items())
    count = len(next(iter(parts.values()))[RSD])
    records = [record for found in parts.values() for some in found.values() for record in some]
    failed = len(records) - len(ledgers_of(records))
    tables = "\n\n".join(
        f"## {name.capitalize()}\n\n{table(found, 'thinking-' if name == 'thinking' else '')}"
        for name, found in parts.items()
    )
    return f"""# Every verdict of the line: {count} held-out problems, temperature 0.7

Made by `python -m benchmarks.thinking`: {said}, {os.cpu_count()} cores shared with other work.
Measured so far: {" and ".join(f"models {_SETS[name]}" for name in parts)}.

Thresholds were chosen on {chosen_on} other problems. Every row but the first two is RSD, or a
rival, on the same questions. "vs RSD": the difference in points with its paired bootstrap interval,
and in parentheses the questions only RSD gets right, those only this arm does, and McNemar's exact
p, uncorrected for the number of rows. Intervals are Wilson's, 95 %. FLOPs per question are 2N for
each token: decode-only counts generated tokens, and one for each verdict the PRM gave; full counts
every token a model read or wrote that its server had not cached. What draft or target spend as
judges, or as drafts that only vote, is theirs. The oracle's cost is no method's. An answer that
failed is wrong, and costs are of the others: {failed} of {len(records):,} failed.

{tables}
"""


def table(found: Answers, prefix: str) -> str:
    """One set of models."""
    sizes = read_card(prefix).parameters
    return markdown_table(HEADERS, [row(name, found, sizes) for name in found])
