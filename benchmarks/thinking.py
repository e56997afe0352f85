"""Every verdict of the line, thinking and not, on held-out problems: makes `results/thinking.md`.

    python -m benchmarks.thinking --journals DIR   # hours on two cores; resumable

Thresholds come from other problems, which no model was trained on either. Every arm has servers of
its own, so that none finds another's work in a prefix cache. The table is written anew with every
arm that is finished.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from benchmarks.arms import DELTA, digests
from benchmarks.thinking_tables import RSD, TARGET, Answers, page
from rsd_graph.embedded.task import held_out_problems
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.calibration.band import unsure_band
from rsd_graph.lab.calibration.seen import Course, Seen, seen_steps
from rsd_graph.lab.exam import Exam, candies_exam
from rsd_graph.lab.experiment import SHIPPED, THINKING, Experiment
from rsd_graph.lab.journal import Journal, Record
from rsd_graph.lab.runner import answer_all
from rsd_graph.lab.statistics import quantile
from rsd_graph.providers.prm.learned import REWARD

RESULTS = Path(__file__).parent / "results"
TEMPERATURE = 0.7
SHARE = 0.2
SLIP = 0.01
DOUBT = 0.5
FIRST = 3  # arms before those of thinking, which come before the others
SETS = {"thinking": THINKING, "not thinking": SHIPPED}


async def planned(experiment: Experiment, questions: Sequence[str], servers: int) -> dict[str, str]:
    """Arms by what they are called in the table -> their names in the catalog."""
    seen = await seen_steps(experiment.setup(servers), questions, Course("verdicts"))
    steps = [step for answer in seen for step in answer]
    lowest = [[(_lowest(step), step.good) for step in answer] for answer in seen]
    low, high = unsure_band(lowest, SLIP, DELTA)
    free = {
        "lowest": [_lowest(step) for step in steps],
        "mean": [math.exp(-math.exp(step.features["mean_surprise"])) for step in steps],
        "first": [math.exp(-step.features["first_entropy"]) for step in steps],
    }
    at = {name: quantile(rewards, SHARE) for name, rewards in free.items()}
    rejected = sum(step.features[REWARD] < DELTA for step in steps) / len(steps)
    return {
        "draft alone": "draft",
        TARGET: "target",
        RSD: f"rsd:{DELTA}",
        "no PRM, 4 more drafts vote": "specguard:4:0.5",
        "no PRM, 4 more drafts, all agree": "specguard:4:1",
        f"PRM, at most {SHARE / 2:.0%} to the target": f"verdict:{DELTA}:capped:{SHARE / 2},prm",
        "PRM, product so far": f"verdict:{DELTA}:so-far:product,prm",
        f"no PRM, mean log-probability, {SHARE:.0%}": f"verdict:{at['mean']}:free:mean",
        f"no PRM, least likely token, {SHARE:.0%}": f"verdict:{at['lowest']}:free:lowest",
        f"no PRM, first token's entropy, {SHARE:.0%}": f"verdict:{at['first']}:free:first",
        "cascade, least likely token before the PRM": (
            f"verdict:{DELTA}:cascade:{low},{high},free:lowest,prm"
        ),
        f"random, {SHARE:.0%} to the target": f"random:{SHARE}",
        f"random, {rejected:.1%} to the target, as many as RSD rejects": f"random:{rejected:.4f}",
        "advantage oracle": "oracle",
    }


def of_thinking(by_words: str) -> dict[str, str]:
    """Arms of models that think: a judge's doubt, and a verdict for each phase.

    Args:
        by_words: The arm of the draft's own words, for one of the phases.
    """
    delta, free = by_words.removeprefix("verdict:").split(":", 1)
    return {
        "no PRM, the target's doubt": f"verdict:{DOUBT}:doubt+target",
        "no PRM, the draft's doubt": f"verdict:{DOUBT}:doubt+draft",
        "no PRM, the draft's doubt before the target's": "confspec:0.3:0.95:0.5:doubt",
        "PRM on the answer, all thinking accepted": f"phases:0:{DELTA}:by-phase:{free},prm",
        "PRM on the thinking, all answers accepted": f"phases:{DELTA}:0:by-phase:prm,{free}",
        "PRM on the answer, least likely token on the thinking": (
            f"phases:{delta}:{DELTA}:by-phase:{free},prm"
        ),
    }


def _lowest(step: Seen) -> float:
    return math.exp(-math.exp(step.features["largest_surprise"]))


async def kept(
    plan: Path, experiment: Experiment, questions: Sequence[str], servers: int
) -> dict[str, str]:
    """The arms of an earlier run in the same folder, so that its answers can be used again."""
    if not plan.exists():
        arms = await planned(experiment, questions, servers)
        if "thinking" in experiment.settings:
            free = next(arm for arm in arms.values() if arm.endswith(":free:lowest"))
            arms = {**dict(islice(arms.items(), FIRST)), **of_thinking(free), **arms}
        plan.parent.mkdir(parents=True, exist_ok=True)
        plan.write_text(json.dumps(arms, indent=1), encoding="utf-8")
    found: dict[str, str] = json.loads(plan.read_text(encoding="utf-8"))
    return found


async def measured(
    experiment: Experiment, exam: Exam, arms: dict[str, str], book: Journal, servers: int
) -> AsyncIterator[Answers]:
    """Every arm's answers, as the arms finish."""
    found: dict[str, Sequence[Record]] = {}
    for number, (name, asked) in enumerate(arms.items()):
        arm = replace(named_arm(asked, experiment.setup(servers + number), exam.extract), name=name)
        found[name] = await answer_all(arm, exam.questions, exam.grade, book, concurrency=8)
        yield found


async def main() -> None:
    """Choose thresholds, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--learn-on", type=int, default=150)
    parser.add_argument("--only", choices=tuple(SETS), help="one of the two sets of models")
    parser.add_argument("--journals", type=Path, required=True, help="folder for the answers")
    options = parser.parse_args()

    exam = candies_exam(options.problems)
    parts: dict[str, Answers] = {}
    asked = {question.text for question in exam.questions}
    drawn = held_out_problems(options.learn_on + options.problems, seed=1)
    others = [p.question for p in drawn if p.question not in asked][: options.learn_on]
    for number, (name, models) in enumerate(SETS.items()):
        if options.only not in (None, name):
            continue
        files = digests([spec.removeprefix("embedded:") for spec in models.values()])
        thinks = {"thinking": "on"} if models is THINKING else {}
        experiment = Experiment({**models, **thinks, "delta": DELTA, "temperature": TEMPERATURE})
        folder = options.journals / name.replace(" ", "-")
        arms = await kept(folder / "plan.json", experiment, others, 100 * number + 90)
        with Journal(folder / "answers.jsonl", {"models": files, **arms}) as book:
            async for found in measured(experiment, exam, arms, book, 100 * number):
                parts[name] = found
                if RSD in found:
                    text = page(parts, len(others))
                    (RESULTS / "thinking.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
