"""The tables of `results/verdicts.md`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from statistics import fmean

from benchmarks.arms import DELTA, digests
from rsd_graph.answer.flops import flops
from rsd_graph.answer.ledger import empty_ledger, stored_ledger
from rsd_graph.embedded.card import read_card
from rsd_graph.lab.calibration.learn import HeldOut
from rsd_graph.lab.experiment import environment
from rsd_graph.lab.journal import Record
from rsd_graph.lab.report.summary import compare
from rsd_graph.lab.report.text import UNITS, markdown_table, percent, points, scaled
from rsd_graph.lab.statistics import wilson_interval

RSD, TARGET = f"RSD {DELTA:g}, the PRM judges every step", "target alone"
HEADERS = [
    *("arm", "right % [95 %]", "vs RSD: points (only RSD right, only this, p)", "vs target (p)"),
    *("PRM calls a question", "steps by the target", "FLOPs decode-only", "FLOPs full"),
]
TESTS = ["learned from", "steps", "good", "AUROC", "calibration error", "calibration curve"]

Answers = Mapping[str, Sequence[Record]]
"""The answers of each arm, by its name in the table."""


def rows(found: Answers) -> list[list[str]]:
    """One row for each arm."""
    return [row(name, found) for name in found]


def row(name: str, found: Answers) -> list[str]:
    """What an arm did, beside RSD and the target alone."""
    records = found[name]
    right = sum(bool(record.get("correct")) for record in records)
    ledgers = [stored_ledger(r["ledger"] or empty_ledger()) for r in records]
    calls = fmean(ledger["prm"]["calls"] for ledger in ledgers)
    usual = fmean(stored_ledger(r["ledger"] or {})["prm"]["calls"] for r in found[RSD])
    steps = sum(ledger["accepted_steps"] + ledger["target_steps"] for ledger in ledgers)
    costs = [flops(ledger, read_card().parameters) for ledger in ledgers]
    cost = [
        f"{number:.1f}{unit}"
        for number, unit in (scaled(spent, UNITS[1:3]) for spent in _means(costs))
    ]
    versus, target = compare(records, found[RSD]), compare(records, found[TARGET])
    said = f"{points(versus.difference)} ({versus.only_second}, {versus.only_first}, "
    share = sum(ledger["target_steps"] for ledger in ledgers) / steps
    return [
        name,
        percent(wilson_interval(right, len(records))),
        "" if name == RSD else f"{said}{versus.p_value:.2g})",
        "" if name == TARGET else f"{100 * target.difference.value:+.1f} ({target.p_value:.2g})",
        f"{calls:.2f}" + (f" ({calls / usual:.0%})" if calls and name != RSD else ""),
        f"{share:.1%}",
        *cost,
    ]


def _means(spent: Sequence[dict[str, float]]) -> list[float]:
    return [fmean(each[kind] for each in spent) for kind in ("decode_only", "full")]


def test_row(label: str, test: HeldOut) -> list[str]:
    """What a learned verdict is worth where it was not learned."""
    curve = [f"{b.mean_reward:.2f}: {b.accuracy.value:.0%} of {b.count}" for b in test.bins]
    return [
        label,
        f"{test.steps} of {test.prompts} problems",
        f"{test.good:.1%}",
        "" if test.auroc is None else f"{test.auroc:.3f}",
        f"{test.expected_calibration_error:.1%}",
        ", ".join(curve),
    ]


def page(parts: Mapping[str, tuple[Sequence[Sequence[str]], Answers]], learned_on: int) -> str:
    """The committed tables."""
    said = ", ".join(f"{name} {value}" for name, value in environment().items())
    count = len(next(iter(parts.values()))[1][RSD])
    tables = "\n\n".join(
        f"## {name.capitalize()}\n\n{markdown_table(HEADERS, rows(found))}\n\n"
        f"{markdown_table(TESTS, tests)}"
        for name, (tests, found) in parts.items()
    )
    return f"""# Verdicts that cost less than a PRM: {count} held-out problems, shipped models

Made by `python -m benchmarks.verdicts`: {said}, {os.cpu_count()} cores shared with other work.
Models by the start of their SHA-256: {digests()}.

Everything is learned, and every threshold chosen, on {learned_on} other problems, none of them
among the {count}, at the same temperature. Every row but the first two is RSD on the same
questions. "vs RSD": the difference in points with its paired bootstrap interval, and in parentheses
the questions only RSD gets right, those only this arm does, and McNemar's exact p, uncorrected for
the number of rows. Intervals are Wilson's, 95 %. FLOPs per question are 2N for each token:
decode-only counts generated tokens, and one for each verdict the PRM gave; full counts every token
a model read or wrote that its server had not cached.

* *cascade, learned*: a logistic regression on five features of the draft's own words (mean and
  largest surprise, entropy of the first token, length, position) foresees the PRM's verdict, and
  only what it is unsure of goes to the PRM. The interval is the narrowest in which at most this
  share of the answers (*slip*) held a step that the PRM would have rejected.
* *cascade, least likely token*: the same with one number that nobody has to learn.
* *no PRM, ...*: no PRM is asked when answering; the threshold sends this share of the steps to the
  target on the problems it was chosen on. *Learned from its verdicts* needs a PRM once, to learn
  from; *learned from right answers* needs golds and no PRM; *least likely token* and *first
  token's entropy* (GlimpRouter's, after the step instead of before it) need neither.

{tables}

Under each table: what the learned verdicts are worth on the 30 % of the problems held out from
learning; "good" is the share of the steps the label calls so, the curve says for each tenth of the
probability its mean, and how many of how many steps were good.
"""
