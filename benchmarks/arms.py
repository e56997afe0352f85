"""All arms on held-out problems with the shipped models: makes `results/arms.md`.

    python -m benchmarks.arms --journals DIR      # about half an hour on two cores; resumable

Arms that are compared "at the same cost" are given the target share RSD has on the same problems:
worked out on the rewards it met there, never on whether answers were right. Every arm has servers
of its own, so that none finds another's work in a prefix cache.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from rsd_graph.acceptance import Criterion, clipping, logistic, reward_threshold, sigmoidal
from rsd_graph.embedded.engine import MODELS, SHIPPED
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.calibration.step_evidence import StepEvidence, step_evidence
from rsd_graph.lab.exam import Exam, candies_exam
from rsd_graph.lab.experiment import Experiment, environment
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.questions.candies import NAME
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.page import write_report
from rsd_graph.lab.report.summary import compare
from rsd_graph.lab.report.text import markdown_table, points
from rsd_graph.lab.runner import answer_all
from rsd_graph.lab.statistics import quantile

RESULTS = Path(__file__).parent / "results"
DELTA = 0.7
SWEEP = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
SEARCH = (
    *("majority:4", "majority:16", "best-of:4", "best-of:4:last", "best-of:16"),
    *("process-best-of:4", "beam:2x4"),
)
RIVALS = ("gsi:4", "served:embedded:target?speculate=draft")
STRENGTH = 0.5
ALPHA = 10
VERSUS = ["first", "second", "difference, points [95 %]", "only first right", "only second", "p"]


@dataclass(frozen=True)
class Chosen:
    """What has the same target share as what, each as (share, delta of the binary step)."""

    share: float
    logistic: float
    clipping: tuple[float, float]
    sigmoidal: tuple[float, float]
    usual: float
    difficulty: tuple[float, float]

    @property
    def aware(self) -> str:
        """The arm with the difficulty-aware delta."""
        return f"difficulty:{self.usual}:{STRENGTH}"


def choose(main: Sequence[Record], aware: Sequence[Record] = ()) -> Chosen:
    """Shares and deltas from the rewards RSD met, and from what the difficulty-aware delta did."""
    rewards = [s["reward"] for r in main for s in r["steps"] if s["reward"] is not None]
    share = _share(rewards, reward_threshold(DELTA))
    clipped, sigmoid = _share(rewards, clipping()), _share(rewards, sigmoidal())
    verdicts = [s["accepted"] for r in aware for s in r["steps"]]
    rejected = verdicts.count(False) / len(verdicts) if verdicts else share
    grid = [n / 1000 for n in range(1001)]
    return Chosen(
        share,
        next(delta for delta in grid if _share(rewards, logistic(ALPHA, delta)) >= share),
        (clipped, _delta(rewards, clipped)),
        (sigmoid, _delta(rewards, sigmoid)),
        round(fmean(rewards), 3),
        (rejected, _delta(rewards, rejected)),
    )


def _share(rewards: Sequence[float], accept: Criterion) -> float:
    """The share of steps with these rewards that *accept* sends to the target."""
    return fmean(1 - accept(reward) for reward in rewards)


def _delta(rewards: Sequence[float], share: float) -> float:
    """The binary step with this target share."""
    return round(quantile(rewards, share), 4)


def matched_arms(chosen: Chosen) -> list[str]:
    """Arms whose parameters come from what RSD met."""
    return [
        *(f"rsd:{delta}" for delta in sorted({chosen.clipping[1], chosen.sigmoidal[1]})),
        f"random:{chosen.share:.4f}",
        f"logistic:{ALPHA}:{chosen.logistic}",
        *("clipping", "sigmoidal"),
        f"share:{chosen.share:.4f}",
        chosen.aware,
    ]


@dataclass
class Bench:
    """One set of models on one set of problems; arms are added as they are asked for."""

    experiment: Experiment
    exam: Exam
    book: Journal
    servers: int
    findings: Findings = field(default_factory=Findings)

    async def run(self, *names: str) -> Findings:
        """Ask every question of these arms; what all arms found so far."""
        for name in names:
            exam = self.exam
            arm = named_arm(name, self.experiment.setup(self.servers), exam.extract)
            self.servers += 1
            found = await answer_all(arm, exam.questions, exam.grade, self.book, concurrency=8)
            self.findings = self.findings.with_arm(arm, found, self.experiment.accounting)
        return self.findings


async def greedy_arms(bench: Bench) -> tuple[Findings, Chosen]:
    """Every greedy arm, and what it was matched by."""
    main, careful = f"RSD {DELTA:g}", "RSD adaptive, difficulty"
    await bench.run("draft", "target", *(f"rsd:{delta}" for delta in SWEEP))
    chosen = choose(bench.findings.records[main])
    records = (await bench.run(*matched_arms(chosen))).records
    aware = next(records[name] for name in records if name.startswith(careful))
    chosen = choose(records[main], aware)
    return await bench.run(f"rsd:{chosen.difficulty[1]}", *SEARCH, *RIVALS, "oracle"), chosen


def pairs(findings: Findings, chosen: Chosen) -> list[tuple[str, str]]:
    """What the paper's claims, and ours, come down to: pairs of arms."""
    names = list(findings.records)
    main = f"RSD {DELTA:g}"

    def starting(*prefixes: str) -> list[str]:
        return [name for name in names if name.startswith(prefixes)]

    return [
        *(
            (main, name)
            for name in starting("draft only", "majority", "best-of", "process", "beam", "GSI")
        ),
        *((name, "target only") for name in starting("RSD 0.", "GSI", "served", "advantage")),
        *((main, name) for name in starting("random", "RSD logistic", "RSD adaptive, target")),
        (f"RSD {chosen.clipping[1]:g}", "RSD clipping()"),
        (f"RSD {chosen.sigmoidal[1]:g}", "RSD sigmoidal()"),
        *((f"RSD {chosen.difficulty[1]:g}", n) for n in starting("RSD adaptive, difficulty")),
        *((main, name) for name in starting("RSD adaptive, difficulty")),
    ]


def versus_row(findings: Findings, first: str, second: str) -> list[str]:
    """One comparison on the same questions."""
    found = compare(findings.records[first], findings.records[second])
    return [
        first,
        second,
        points(found.difference),
        str(found.only_first),
        str(found.only_second),
        f"{found.p_value:.2g}",
    ]


def page(greedy: Findings, sampled: Findings, chosen: Chosen, evidence: StepEvidence | None) -> str:
    """The committed table."""
    said = ", ".join(f"{name} {value}" for name, value in environment().items())
    prm = evidence.as_json() if evidence else {}
    auroc = f"{prm['step_auroc']:.4f}" if prm.get("step_auroc") else "undefined"
    return f"""# All arms on {len(greedy.records["draft only"])} held-out problems, shipped models

Made by `python -m benchmarks.arms`: {said}, {os.cpu_count()} cores shared with other
work: seconds only order the arms. Arms that sample (majority, best-of, process best-of, beam) draw
at temperature 0.7, top_p 0.8, and GSI at top_p 1 as its authors do; everything else in the first
table is greedy. FLOPs per question are 2N for each token: decode-only counts generated tokens, as
the paper does; full counts every token a model read or wrote that its server had not cached. The
served arm is the target with llama.cpp's speculative decoding: what the draft does inside that
server is in its seconds, not in its FLOPs. GSI's seconds are those of one request for each token
the target reads, the only way with llama.cpp. "vs target": the difference from the target
alone on the same questions, in points, and McNemar's exact p. Intervals are Wilson's, 95 %. Models
by the start of their SHA-256: {digests()}.

{markdown_table(greedy.headers, greedy.cells())}

The PRM on the draft's own steps up to its first error: AUROC {auroc} over {prm.get("steps")}
steps, {prm.get("wrong_steps")} of them wrong. Every picture, and the transcripts of the main arms,
are in [report.html](report.html), which works offline.

![accuracy against cost](report/accuracy-against-cost.png)

![delta](report/delta-sweep.png)

## Temperature 0.7

{markdown_table(sampled.headers, sampled.cells())}

## Pairs

Paired bootstrap intervals and McNemar's exact p, uncorrected for the number of rows. Matched on the
rewards that RSD at delta {DELTA} met on these problems: its own target share is {chosen.share:.1%},
as the logistic's (alpha {ALPHA}) at delta {chosen.logistic:.4g}; clipping has
{chosen.clipping[0]:.1%}, as the binary step at {chosen.clipping[1]:.4g}; sigmoidal
{chosen.sigmoidal[0]:.1%}, as the binary step at {chosen.sigmoidal[1]:.4g}; the difficulty-aware
delta had {chosen.difficulty[0]:.1%}, as the binary step at {chosen.difficulty[1]:.4g}. The shares
they really had are above (100 % less "accepted").

{markdown_table(VERSUS, [versus_row(greedy, *pair) for pair in pairs(greedy, chosen)])}
"""


def digests(models: Sequence[str] = SHIPPED) -> str:
    """Which models these were: the start of each file's SHA-256."""
    files = {model: (MODELS / f"{model}.gguf").read_bytes() for model in models}
    return ", ".join(f"{r} {hashlib.sha256(data).hexdigest()[:12]}" for r, data in files.items())


async def main() -> None:
    """Measure, match, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--journals", type=Path, required=True, help="folder for the answers")
    options = parser.parse_args()

    exam, measured = candies_exam(options.problems), digests()
    cold, warm = Experiment({"delta": DELTA}), Experiment({"delta": DELTA, "temperature": 0.7})
    with Journal(options.journals / "greedy.jsonl", {"models": measured}) as book:
        greedy, chosen = await greedy_arms(Bench(cold, exam, book, servers=0))
    with Journal(options.journals / "sampled.jsonl", {"models": measured}) as book:
        bench = Bench(warm, exam, book, servers=100)
        random = f"random:{chosen.share:.4f}"
        sampled = await bench.run("draft", "target", f"rsd:{DELTA}", random)
    if digests() != measured:
        raise SystemExit("the models were replaced while they were measured")
    evidence = await step_evidence(cold.setup(200), exam, greedy.records)
    conditions = {"dataset": NAME, "questions": options.problems, **environment()}
    write_report(RESULTS / "report.html", greedy, exam, evidence, conditions)
    (RESULTS / "arms.md").write_text(page(greedy, sampled, chosen, evidence), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
