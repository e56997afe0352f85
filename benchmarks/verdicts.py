"""Verdicts that cost less than a PRM, on held-out problems: makes `results/verdicts.md`.

    python -m benchmarks.verdicts --journals DIR   # under an hour on two cores; resumable

What is learned, and every threshold, comes from other problems, which no model was trained on
either; the verdicts are then measured on problems nobody had seen. Every arm has servers of its
own, so that none finds another's work in a prefix cache.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.arms import DELTA, digests
from benchmarks.verdict_tables import RSD, TARGET, Answers, page, test_row
from rsd_graph.embedded.task import Problem, extract_answer, held_out_problems
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.calibration.band import unsure_band
from rsd_graph.lab.calibration.learn import (
    Learning,
    fitted,
    held_out,
    judged,
    write_learning,
)
from rsd_graph.lab.calibration.seen import Course, Seen, seen_steps
from rsd_graph.lab.exam import Exam, candies_exam
from rsd_graph.lab.experiment import Experiment
from rsd_graph.lab.journal import Journal
from rsd_graph.lab.runner import answer_all
from rsd_graph.lab.statistics import quantile

RESULTS = Path(__file__).parent / "results"
SLIPS = (0.0, 0.01, 0.03)
SHARES = (0.1, 0.2, 0.4)
TEMPERATURES = {"greedy": 0.0, "temperature 0.7": 0.7}


@dataclass(frozen=True)
class Plan:
    """What one temperature's problems taught: arms by what they are called, and what they rest on.

    Attributes:
        arms: Name of each arm in the table -> its name in the catalog.
        tests: Of each learned verdict, what it is worth on the problems held out from learning.
    """

    arms: dict[str, str]
    tests: list[list[str]]


async def planned(
    experiment: Experiment, problems: Sequence[Problem], folder: Path, servers: int
) -> Plan:
    """Learn on *problems* and choose every threshold there."""
    golds = {problem.question: problem.answer for problem in problems}

    async def is_right(prompt: str, answer: str) -> bool:
        return extract_answer(answer) == golds[prompt]

    by_verdict, by_answer = Course("verdicts"), Course("answers")
    setup = experiment.setup(servers + 90)
    seen = await seen_steps(setup, list(golds), by_verdict)
    alone = await seen_steps(setup, list(golds), by_answer, is_right)
    taught = learned(seen, by_verdict, folder / "verdicts.json")
    weak = learned(alone, by_answer, folder / "answers.json")
    told, lowest = judged(taught.lesson, seen), [[_lowest(step) for step in a] for a in seen]
    arms = {
        "draft alone": "draft",
        TARGET: "target",
        RSD: f"rsd:{DELTA}",
        f"random, {SHARES[1]:.0%} to the target": f"random:{SHARES[1]}",
    }
    for slip in SLIPS:
        low, high = unsure_band(told, slip, DELTA)
        arms[f"cascade, learned, slip {slip:.0%}"] = (
            f"verdict:{DELTA}:cascade:{low},{high},learned:{folder / 'verdicts.json'},prm"
        )
    low, high = unsure_band(lowest, SLIPS[1], DELTA)
    arms[f"cascade, least likely token, slip {SLIPS[1]:.0%}"] = (
        f"verdict:{DELTA}:cascade:{low},{high},free:lowest,prm"
    )
    for share in SHARES:
        arms[f"no PRM, learned from its verdicts, {share:.0%}"] = (
            f"verdict:{_delta(told, share)}:learned:{folder / 'verdicts.json'}"
        )
    for share in SHARES:
        arms[f"no PRM, least likely token, {share:.0%}"] = (
            f"verdict:{_delta(lowest, share)}:free:lowest"
        )
    middle = SHARES[1]
    unaided = [[weak.lesson.probability(step.features) for step in a] for a in seen]
    at = quantile([chance for answer in unaided for chance in answer], middle)
    arms[f"no PRM, learned from right answers, {middle:.0%}"] = (
        f"verdict:{at}:learned:{folder / 'answers.json'}"
    )
    at = quantile([math.exp(-s.features["first_entropy"]) for a in seen for s in a], middle)
    arms[f"no PRM, first token's entropy, {middle:.0%}"] = f"verdict:{at}:free:first"
    tests = {"the PRM's verdicts": taught.held_out, "right answers": weak.held_out}
    return Plan(arms, [test_row(label, test) for label, test in tests.items()])


def learned(answers: Sequence[Sequence[Seen]], course: Course, file: Path) -> Learning:
    """What `rsd-graph calibrate --learn` would learn from these answers, in a file."""
    cut = round(0.7 * len(answers))
    lesson = fitted(answers[:cut], course, "embedded:draft", "embedded:prm", DELTA)
    found = Learning(course, lesson, len(answers), held_out(lesson, answers[cut:]))
    write_learning(file, found)
    return found


def _lowest(step: Seen) -> tuple[float, bool]:
    """The probability of the least likely token, and whether the PRM accepts the step."""
    return math.exp(1e-4 - math.exp(step.features["largest_surprise"])), step.good


def _delta(told: Sequence[Sequence[tuple[float, bool]]], share: float) -> float:
    """The threshold that sends this share of the steps to the target."""
    return quantile([chance for answer in told for chance, _ in answer], share)


async def measured(
    experiment: Experiment, exam: Exam, plan: Plan, book: Journal, servers: int
) -> Answers:
    """Every arm's answers."""
    found = {}
    for number, (name, asked) in enumerate(plan.arms.items()):
        arm = replace(named_arm(asked, experiment.setup(servers + number), exam.extract), name=name)
        found[name] = await answer_all(arm, exam.questions, exam.grade, book, concurrency=8)
    return found


def kept(path: Path, plan: Plan | None) -> Plan | None:
    """The plan of an earlier run in the same folder, so that its answers can be used again."""
    if plan:
        path.write_text(json.dumps(asdict(plan), indent=1), encoding="utf-8")
    return Plan(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


async def main() -> None:
    """Learn, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--learn-on", type=int, default=500)
    parser.add_argument("--journals", type=Path, required=True, help="folder for the answers")
    options = parser.parse_args()

    exam, parts = candies_exam(options.problems), {}
    asked = {question.text for question in exam.questions}
    drawn = held_out_problems(options.learn_on + options.problems, seed=1)
    others = [p for p in drawn if p.question not in asked][: options.learn_on]
    for number, (name, temperature) in enumerate(TEMPERATURES.items()):
        experiment = Experiment({"delta": DELTA, "temperature": temperature})
        folder = options.journals / str(temperature)
        folder.mkdir(parents=True, exist_ok=True)
        plan = kept(folder / "plan.json", None)
        plan = plan or kept(
            folder / "plan.json", await planned(experiment, others, folder, 100 * number)
        )
        assert plan is not None
        with Journal(folder / "answers.jsonl", {"models": digests(), **plan.arms}) as book:
            parts[name] = (plan.tests, await measured(experiment, exam, plan, book, 100 * number))
        text = page(parts, len(others))
        (RESULTS / "verdicts.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
