"""A report people can pass around: one HTML file that needs no network, and its pictures as PNG."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import jinja2

from rsd_graph.lab.calibration.step_evidence import StepEvidence
from rsd_graph.lab.exam import Exam
from rsd_graph.lab.files import write_whole
from rsd_graph.lab.journal import Record
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.pictures import as_svg, draw, save
from rsd_graph.viewer.page import REPORT, sealed
from rsd_graph.viewer.trace import trace_of

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
    title = f"RSD on {conditions['dataset']}: {conditions['questions']} questions"
    main = _template().render(
        open_ended=findings.is_open_ended,
        title=title,
        conditions=[f"{name} {value}" for name, value in conditions.items() if value is not None],
        headers=findings.headers,
        rows=findings.cells(),
        pictures=[(*_PICTURES[name], _inline(as_svg(each))) for name, each in figures.items()],
    )
    write_whole(path, sealed(title, REPORT, {"transcripts": _transcripts(findings, exam)}, main))
    save(figures, path.with_suffix(""))


def _inline(svg: str) -> str:
    """A picture as the data of an image, which can run nothing and style nothing but itself."""
    return base64.b64encode(svg.encode()).decode()


def _template() -> jinja2.Template:
    source = resources.files("rsd_graph.lab.report") / "page.html.j2"
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(source.read_text(encoding="utf-8"))


def _shown(findings: Findings) -> list[str]:
    """Arms whose transcripts are printed: each model alone and RSD, then others while few."""
    names = [summary.name for summary in findings.summaries]
    main = [name for name in ("draft only", "target only", "RSD 0.7") if name in names]
    return [*main, *(name for name in names if name not in main)][:_SHOWN_ARMS]


def _transcripts(findings: Findings, exam: Exam) -> list[dict[str, object]]:
    """Every question with the answers of a few arms."""
    arms = _shown(findings)
    deltas = {summary.name: summary.delta for summary in findings.summaries}
    records = zip(*(findings.records[arm] for arm in arms), strict=True)
    return [
        {
            "id": question.id,
            "level": question.level,
            "text": question.text,
            "gold": question.gold,
            "answers": [_answer(record, deltas[record["arm"]]) for record in answers],
        }
        for question, answers in zip(exam.questions, records, strict=True)
    ]


def _answer(record: Record, delta: float | None) -> dict[str, object]:
    """One answer as the viewer shows it, and its judge's reward if there was one."""
    known = {} if delta is None else {"delta": delta}
    return {**trace_of({**record, **known}), "score": record.get("reward")}
