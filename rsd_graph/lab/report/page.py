"""A report people can pass around: one HTML file that needs no network, and its pictures as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from rsd_graph.lab.experiment import Findings
from rsd_graph.lab.questions.exam import Exam
from rsd_graph.lab.questions.shipped import StepEvidence
from rsd_graph.lab.report.pictures import as_svg, draw, save

_CAPTIONS = {
    "accuracy-against-cost": "Accuracy against cost in both accountings, 95 % intervals. Nothing "
    "is both cheaper and better than the dotted line; the oracle is not counted among what "
    "can be done.",
    "delta-sweep": "What delta buys: at 0 everything is the draft's, towards 1 the target's.",
    "rewards": "Rewards of the draft's own steps up to its first error.",
    "prm-calibration": "How far a reward can be read as the probability that the step is right.",
    "levels": "By level of difficulty, with 95 % intervals: accuracy, and questions the draft "
    "answered alone.",
}
_TITLES = {
    "accuracy-against-cost": "Accuracy against cost",
    "delta-sweep": "Delta",
    "rewards": "Rewards of right and wrong steps",
    "prm-calibration": "Calibration of the PRM",
    "levels": "Levels of difficulty",
}
_SHOWN_ARMS = 4


def write_report(
    path: Path,
    findings: Findings,
    exam: Exam,
    evidence: StepEvidence | None,
    conditions: Mapping[str, Any],
) -> None:
    """Write *path*, and each picture into the folder of the same name beside it.

    Raises:
        CapabilityError: matplotlib is not installed.
    """
    figures = draw(findings, evidence)
    shown = _shown(findings)
    page = _template().render(
        open_ended=findings.is_open_ended,
        title=f"RSD on {conditions['dataset']}: {conditions['questions']} questions",
        conditions=[f"{name} {value}" for name, value in conditions.items() if value is not None],
        headers=findings.headers,
        rows=findings.cells(),
        pictures=[
            (_TITLES[name], _CAPTIONS[name], Markup(as_svg(figure)))
            for name, figure in figures.items()
        ],
        arms=shown,
        transcripts=_transcripts(findings, exam, shown),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
    save(figures, path.with_suffix(""))


def _template() -> jinja2.Template:
    source = resources.files("rsd_graph.lab.report") / "page.html.j2"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source.read_text(encoding="utf-8"))


def _shown(findings: Findings) -> list[str]:
    """Arms whose transcripts are printed: each model alone and RSD, then others while few."""
    names = [arm.name for arm in findings.arms]
    main = [name for name in ("draft only", "target only", "RSD 0.7") if name in names]
    return [*main, *(name for name in names if name not in main)][:_SHOWN_ARMS]


def _transcripts(findings: Findings, exam: Exam, arms: Sequence[str]) -> list[dict[str, Any]]:
    """Every question with the answers of *arms*."""
    found = []
    for number, question in enumerate(exam.questions):
        records = [findings.records[arm][number] for arm in arms]
        found.append(
            {
                "id": question.id,
                "level": question.level,
                "text": question.text,
                "gold": question.gold,
                "disputed": len({bool(record["correct"]) for record in records}) > 1,
                "answers": [_answer(record) for record in records],
            }
        )
    return found


def _answer(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "arm": record["arm"],
        "correct": record["correct"],
        "reward": record.get("reward"),
        "reason": record["error"] or record["finish_reason"],
        "steps": record["steps"],
    }
