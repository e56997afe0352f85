r"""Measure both graders on public golds and write benchmarks/results/grading.md.

    RSD_GRAPH_DATA=folder python -m benchmarks.grading

The folder holds gsm8k.jsonl, math500.jsonl and so on; they are not part of this repository. To have
the official code judge the same answers, write the cases, run `official_verdicts.py` where that
code and its SymPy 1.12 are installed, and hand its verdicts back:

    python -m benchmarks.grading --write-cases cases.json
    python benchmarks/official_verdicts.py CHECKOUT cases.json verdicts.json
    python -m benchmarks.grading --official verdicts.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rsd_graph.lab import Exclusion, Grader, Question, Verdict
from rsd_graph.lab.questions.rows import read_row
from rsd_graph.lab.report.text import markdown_table

MATH = ("gsm8k", "math500", "olympiadbench", "gaokao2023en", "aime24", "amc23")
CHOICE = ("gpqa", "mmlu_stem")
FORMS_LIMIT = 200
LIBRARIES = ("math-verify", "latex2sympy2_extended", "sympy", "antlr4-python3-runtime", "pebble")
SELF = ("the gold in a box", "letter in a box")
RESULT = Path(__file__).parent / "results" / "grading.md"


@dataclass(frozen=True)
class Case:
    """One answer to one question: how it was made, and whether it is right."""

    row: dict[str, Any]
    question: Question
    form: str
    right: bool
    answer: str


def read_questions(folder: Path, name: str) -> list[tuple[dict[str, Any], Question | Exclusion]]:
    """Return the rows of one dataset beside what we make of them."""
    lines = (folder / f"{name}.jsonl").read_text(encoding="utf-8").split("\n")
    rows = [json.loads(line) for line in lines if line.strip()]
    return [(row, read_row(row, source=name, index=i)) for i, row in enumerate(rows)]


def make_cases(folder: Path) -> Iterator[Case]:
    """Box every gold of mathematics, and write other answers to the first questions of each set."""
    for name in MATH + CHOICE:
        for index, (row, question) in enumerate(read_questions(folder, name)):
            if isinstance(question, Exclusion) or (name in CHOICE and index >= FORMS_LIMIT):
                continue
            forms = letter_forms if question.kind == "choice" else math_forms
            for form, right, answer in forms(str(question.gold)):
                if index < FORMS_LIMIT or form in SELF:
                    yield Case(row, question, form, right, answer)


def math_forms(gold: str) -> Iterator[tuple[str, bool, str]]:
    """Write one gold in other ways, right and wrong."""
    yield "the gold in a box", True, boxed(gold)
    yield "the gold last, nothing stated", False, f"So far we have {gold} and"
    if re.fullmatch(r"-?\d+", gold) and int(gold) != 0:
        value = int(gold)
        yield "integer with .0", True, boxed(f"{value}.0")
        yield "integer as a fraction", True, boxed(f"\\frac{{{2 * value}}}{{2}}")
        yield "integer plus one", False, boxed(str(value + 1))
        yield "100 times the integer", False, boxed(str(100 * value))
        yield "a hundredth of the integer", False, boxed(str(value / 100))
    members = [member.strip() for member in gold.split(",")]
    if len(set(members)) > 1 and all(re.fullmatch(r"-?\d+", member) for member in members):
        yield "list in reverse", True, boxed(", ".join(reversed(members)))
        yield "list cut short", False, boxed(", ".join(members[:-1]))


def letter_forms(gold: str) -> Iterator[tuple[str, bool, str]]:
    """State one letter in other ways, and another letter."""
    other = "B" if gold == "A" else "A"
    yield "letter in a box", True, boxed(gold)
    yield "letter in parentheses in a box", True, boxed(f"({gold})")
    yield "letter as text in a box", True, boxed(f"\\text{{{gold}}}")
    yield "letter in a sentence", True, f"The answer is ({gold})."
    yield "letter in a box, prose after it", True, f"\\boxed{{{gold}}} is a correct choice."
    yield "another letter in a box", False, boxed(other)
    yield "another letter in a box, the gold after it", False, f"\\boxed{{{other}}}, not {gold}."


def boxed(content: str) -> str:
    """Answer as a model would."""
    return f"The answer is $\\boxed{{{content}}}$."


def golds_table(folder: Path, cases: list[Case], verdicts: list[Verdict]) -> str:
    """For each dataset: how many golds, boxed, are right against themselves."""
    rows = []
    for name in MATH + CHOICE:
        items = [question for _, question in read_questions(folder, name)]
        questions = [item for item in items if isinstance(item, Question)]
        selected = [
            verdict
            for case, verdict in zip(cases, verdicts, strict=True)
            if case.question.source == name and case.form in SELF
        ]
        choice = sum(question.kind == "choice" for question in questions)
        ours = f"{sum(v.correct for v in selected)}/{len(selected)}"
        paper = f"{sum(v.paper_correct for v in selected)}/{len(selected)}"
        counts = len(items), len(items) - len(questions), choice
        rows.append((name, *map(str, counts), ours, paper))
    return markdown_table(("set", "rows", "excluded", "choice", "ours", "paper"), rows)


def forms_table(cases: list[Case], verdicts: list[Verdict], official: list[bool] | None) -> str:
    """For each form: how many answers each grader judges as it should."""
    rows = []
    for form in dict.fromkeys(case.form for case in cases):
        chosen = [i for i, case in enumerate(cases) if case.form == form]
        right = cases[chosen[0]].right
        counts = [
            len(chosen),
            sum(verdicts[i].correct == right for i in chosen),
            sum(verdicts[i].paper_correct == right for i in chosen),
            *([sum(verdicts[i].paper_correct == official[i] for i in chosen)] if official else []),
        ]
        rows.append((form, "right" if right else "wrong", *map(str, counts)))
    judges = ["ours judges so", "paper-compatible judges so"]
    judges += ["as the official code"] if official else []
    return markdown_table(("answer", "should be", "cases", *judges), rows)


def disagreements(cases: list[Case], verdicts: list[Verdict]) -> str:
    """List golds that one of the graders rejects in their own box."""
    rows = [
        (
            case.question.id,
            "`" + str(case.question.gold).replace("|", "\\|") + "`",
            verdict.reason,
            str(verdict.paper_correct),
        )
        for case, verdict in zip(cases, verdicts, strict=True)
        if case.form == "the gold in a box" and not (verdict.correct and verdict.paper_correct)
    ]
    return markdown_table(("id", "gold", "ours", "paper"), rows)


def report(
    folder: Path,
    cases: list[Case],
    verdicts: list[Verdict],
    seconds: float,
    official: list[bool] | None,
) -> str:
    """Put the tables under their conditions."""
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    broken = sum(v.reason not in ("match", "mismatch", "no answer") for v in verdicts)
    return "\n".join(
        [
            "# Grading: golds against themselves, and our verdict beside the paper's",
            "",
            f"Made by `python -m benchmarks.grading` with Python {platform.python_version()}, "
            f"{libraries}. {len(cases)} answers, both verdicts, two processes: {seconds:.0f} s "
            f"({len(cases) / seconds:.0f} answers per second on a shared 2-core machine); "
            f"{broken} timed out or broke. Every gold of mathematics is boxed; of the sets "
            "that are all multiple choice, and for the second table of every set, the first "
            f"{FORMS_LIMIT} rows are used.",
            "",
            "## Golds boxed against themselves",
            "",
            golds_table(folder, cases, verdicts),
            "",
            "Golds a grader rejects in their own box:",
            "",
            disagreements(cases, verdicts),
            "",
            "## Answers whose verdict is known",
            "",
            "Right and wrong answers made from the golds. The paper-compatible column is meant to "
            "repeat the official grader's faults, so that accuracies compare with published ones.",
            "",
            forms_table(cases, verdicts, official),
            "",
            "What remains wrong in ours: math-verify compares lists as sets, so that `16,3,1` "
            "passes for the gold `16,3,1,1`. The last column counts equal verdicts of our port and "
            "the paper's own code (BaohaoLiao/RSD at 933d8e5, SymPy 1.12, ANTLR 4.11.1).",
            "",
        ]
    )


def grade_cases(cases: list[Case]) -> tuple[list[Verdict], float]:
    """Grade all cases on two processes; return the verdicts and the seconds it took."""
    start = time.perf_counter()
    with Grader(processes=2) as grader:
        verdicts = grader.grade_all((case.question, case.answer) for case in cases)
    return verdicts, time.perf_counter() - start


def main() -> None:
    """Measure, or write the cases for the official code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write-cases", type=Path)
    parser.add_argument("--official", type=Path)
    options = parser.parse_args()
    folder = Path(os.environ["RSD_GRAPH_DATA"])
    cases = list(make_cases(folder))
    if options.write_cases:
        rows = [[case.question.source, case.row, case.answer] for case in cases]
        options.write_cases.write_text(json.dumps(rows), encoding="utf-8")
        return
    official = json.loads(options.official.read_text()) if options.official else None
    verdicts, seconds = grade_cases(cases)
    RESULT.write_text(report(folder, cases, verdicts, seconds, official), encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
