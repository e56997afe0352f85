"""What a PRM that sees only the last steps costs, in right answers and in tokens.

    python -m benchmarks.prm_windows --journals DIR   # an hour on two cores; resumable

Makes `results/prm_windows.md`. The same held-out problems with and without a window, thinking and
not; every row has servers of its own, so that none finds another's work in a prefix cache.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.arms import DELTA, digests
from benchmarks.thinking import SETS, TEMPERATURE
from benchmarks.thinking_tables import ledgers_of, mean_flops
from rsd_graph.answer.ledger import Usage
from rsd_graph.answer.thinking import shown_to_prm
from rsd_graph.embedded.card import read_card
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.exam import Exam, candies_exam
from rsd_graph.lab.experiment import THINKING, Experiment, environment
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.report.summary import compare
from rsd_graph.lab.report.text import UNITS, markdown_table, percent, points, scaled
from rsd_graph.lab.runner import answer_all
from rsd_graph.lab.statistics import wilson_interval
from rsd_graph.providers.scripted import candidate

RESULTS = Path(__file__).parent / "results"
WINDOWS = (None, 4, 3, 2, 1)
LONG_WINDOWS = (None, 32, 8)
LONG = {"steps": 200, "tokens": 50}
HEADERS = [
    *("PRM sees", "right % [95 %]", "vs all steps: points (only all, only this, p)"),
    *("steps by the target", "steps of an answer"),
    *("PRM tokens read", "of these computed", "FLOPs full"),
]
LONG_HEADERS = ["PRM sees", "longest prompt", "read in all", "computed with a prefix cache"]

Answers = Mapping[int | None, Sequence[Record]]
"""The answers with each window, in steps."""


async def answered(models: Mapping[Any, str], exam: Exam, book: Path, servers: int) -> Answers:
    """All problems, with each window."""
    thinks = {"thinking": "on"} if models is THINKING else {}
    said = {"delta": DELTA, "temperature": TEMPERATURE, **thinks}
    files = digests([spec.removeprefix("embedded:") for spec in models.values()])
    found: dict[int | None, Sequence[Record]] = {}
    with Journal(book, {"models": files}) as journal:
        for number, window in enumerate(WINDOWS, servers):
            setup = Experiment({**models, **said, "prm_window": window}).setup(number)
            arm = replace(named_arm(f"rsd:{DELTA}", setup, exam.extract), name=_shown(window))
            questions, grade = exam.questions, exam.grade
            found[window] = await answer_all(arm, questions, grade, journal, concurrency=8)
    return found


def _shown(window: int | None) -> str:
    if window is None:
        return "all steps"
    return f"the last {window} to {2 * window - 1}" if window > 1 else "the last one"


def row(window: int | None, found: Answers, models: Mapping[Any, str]) -> list[str]:
    """One window beside none."""
    records = found[window]
    ledgers = ledgers_of(records)
    versus = compare(records, found[None])
    changed = f"{points(versus.difference)} ({versus.only_second}, {versus.only_first}, "
    steps = fmean(ledger["accepted_steps"] + ledger["target_steps"] for ledger in ledgers)
    prm: list[Usage] = [ledger["prm"] for ledger in ledgers]
    sizes = read_card("thinking-" if models is THINKING else "").parameters
    number, unit = scaled(mean_flops(records, sizes, "full"), UNITS[1:3])
    return [
        _shown(window),
        percent(wilson_interval(sum(bool(r["correct"]) for r in records), len(records))),
        "" if window is None else f"{changed}{versus.p_value:.2g})",
        f"{fmean(ledger['target_steps'] for ledger in ledgers) / steps:.1%}",
        f"{steps:.1f}",
        f"{fmean(role['prompt_tokens'] for role in prm):.0f}",
        f"{fmean(role['prompt_tokens'] - role['cached_tokens'] for role in prm):.0f}",
        f"{number:.1f}{unit}",
    ]


def long_row(window: int | None) -> list[str]:
    """Counted, not run: what the PRM is shown of a long chain, one verdict a step."""
    steps = [candidate(str(number)) for number in range(LONG["steps"])]
    read, computed, before = [], 0, 0
    for settled in range(len(steps)):
        shown = len(shown_to_prm(steps[:settled], window)) + 1
        computed += 1 if shown > before else shown
        read.append(shown)
        before = shown
    tokens = LONG["tokens"]
    return [_shown(window), *(f"{tokens * n:,}" for n in (max(read), sum(read), computed))]


def page(parts: Mapping[str, Answers]) -> str:
    """The committed tables."""
    said = ", ".join(f"{name} {value}" for name, value in environment().items())
    tables = "\n\n".join(
        f"## {name.capitalize()}\n\n"
        + markdown_table(HEADERS, [row(window, found, SETS[name]) for window in found])
        for name, found in parts.items()
    )
    long = markdown_table(LONG_HEADERS, [long_row(window) for window in LONG_WINDOWS])
    count = len(next(iter(parts.values()))[None])
    records = [record for found in parts.values() for some in found.values() for record in some]
    failed = len(records) - len(ledgers_of(records))
    return f"""# A PRM that sees the last steps: {count} held-out problems, T {TEMPERATURE}

Made by `python -m benchmarks.prm_windows`: {said}, {os.cpu_count()} cores shared with other work.

RSD {DELTA:g} with the shipped models, and `prm_window`. The PRM always sees the question. In
parentheses the problems only the whole answer gets right, those only this window does, and
McNemar's exact p, uncorrected for the number of rows; intervals are 95 %. Tokens and FLOPs are of
a question; what is computed is the servers' own count. An answer that failed is wrong, and costs
are of the others: {failed} of {len(records):,} failed.

{tables}

## A chain of {LONG["steps"] * LONG["tokens"]:,} tokens

Counted from what the PRM would be shown, not run: {LONG["steps"]} drafted steps of
{LONG["tokens"]} tokens, a verdict for each, the question not counted. Where the server reads its
prefix cache, a window computes more, not less, for each jump reads its first steps anew: there it
is for a PRM whose context the chain would overflow. Where the server reads every prompt anew, as
vLLM's step pooling does, the second column is what it computes.

{long}
"""


async def main() -> None:
    """Measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--journals", type=Path, required=True, help="folder for the answers")
    options = parser.parse_args()
    options.journals.mkdir(parents=True, exist_ok=True)
    exam = candies_exam(options.problems)
    parts: dict[str, Answers] = {}
    for number, (name, models) in enumerate(SETS.items()):
        book = options.journals / f"{name.replace(' ', '-')}.jsonl"
        parts[name] = await answered(models, exam, book, 100 * number)
        (RESULTS / "prm_windows.md").write_text(page(parts), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
