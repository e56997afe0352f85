"""A report people can pass around: one HTML file that needs no network, and its pictures as PNG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from rsd_graph.lab.calibration.step_evidence import StepEvidence
from rsd_graph.lab.exam import Exam
from rsd_graph.lab.files import write_whole
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.pictures import as_svg, draw, save

_PICTURES = {
    "accuracy-against-cost": (
        "Accuracy against cost",
        "Accuracy against cost in both accountings, 95 % intervals. Nothing is both cheaper and "
        "better than the dotted line; the oracle is not counted among what can be done.",
    ),
    "delta-sweep": (
        "Delta",
        "What delta buys: at 0 everything is the draft's, towards 1 the target's.",
    ),
    "rewards": (
        "Rewards of right and wrong steps",
        "Rewards of the draft's own steps up to its first error.",
    ),
    "prm-calibration": (
        "Calibration of the PRM",
        "How far a reward can be read as the probability that the step is right.",
    ),
    "levels": (
        "Levels of difficulty",
        "By level of difficulty, with 95 % intervals: accuracy, and questions the draft answered "
        "alone.",
    ),
}
"""Title and caption of each picture."""

_SHOWN_ARMS = 4


def write_report(
    path: Path,
    findings: Findings,
    exam: Exam,
    evidence: StepEvidence | None,
    conditions: Mapping[str, object],
) -> None:
    """Write *path*, and each picture into the folder of the same name beside it.

    Raises:
        CapabilityError: matplotlib is not installed.
        ConfigurationError: The page cannot be written.
    """
    figures = draw(findings, evidence)
    shown = _shown(findings)
    page = _template().render(
        open_ended=findings.is_open_ended,
        title=f"RSD on {conditions['dataset']}: {conditions['questions']} questions",
        conditions=[f"{name} {value}" for name, value in conditions.items() if value is not None],
        headers=findings.headers,
        rows=findings.cells(),
        pictures=[(*_PICTURES[name], Markup(as_svg(figure))) for name, figure in figures.items()],
        arms=shown,
        transcripts=_transcripts(findings, exam, shown),
    )
    write_whole(path, page)
    save(figures, path.with_suffix(""))


def _template() -> jinja2.Template:
    source = resources.files("rsd_graph.lab.report") / "page.html.j2"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source.read_text(encoding="utf-8"))


def _shown(findings: Findings) -> list[str]:
    """Arms whose transcripts are printed: each model alone and RSD, then others while few."""
    names = [summary.name for summary in findings.summaries]
    main = [name for name in ("draft only", "target only", "RSD 0.7") if name in names]
    return [*main, *(name for name in names if name not in main)][:_SHOWN_ARMS]


def _transcripts(findings: Findings, exam: Exam, arms: Sequence[str]) -> list[dict[str, object]]:
    """Every question with the answers of *arms*."""
    records = zip(*(findings.records[arm] for arm in arms), strict=True)
    return [
        {
            "question": question,
            "disputed": len({bool(answer["correct"]) for answer in answers}) > 1,
            "answers": answers,
        }
        for question, answers in zip(exam.questions, records, strict=True)
    ]
