"""The pictures of a report, drawn by matplotlib (extra `eval`).

Text and axes are drawn in one ink that the SVG changes with the page's scheme, so that one picture
serves light and dark pages.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rsd_graph.errors import CapabilityError
from rsd_graph.lab.calibration.step_evidence import StepEvidence
from rsd_graph.lab.report import figures
from rsd_graph.lab.report.figures import GREY, INK
from rsd_graph.lab.report.findings import Findings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rsd-graph",
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def draw(findings: Findings, evidence: StepEvidence | None) -> dict[str, Figure]:
    """Every picture these findings can fill, by name.

    There is none of open-ended questions.

    Raises:
        CapabilityError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise CapabilityError(
            "Pictures need matplotlib.", hint="Install it with: pip install 'rsd-graph[eval]'"
        ) from error
    if findings.is_open_ended:
        return {}  # every picture is about accuracy
    sweep = sorted((s for s in findings.summaries if s.delta is not None), key=figures.delta_of)
    drawn: dict[str, Figure] = {}
    with matplotlib.rc_context(_STYLE):
        if all(summary.full for summary in findings.summaries):
            drawn["accuracy-against-cost"] = figures.costs(findings)
        if len(sweep) > 2:
            drawn["delta-sweep"] = figures.sweep(sweep)
        if evidence and evidence.auroc is not None:
            drawn["rewards"] = figures.rewards(evidence)
            drawn["prm-calibration"] = figures.calibration(evidence)
        if sweep and sweep[0].levels:
            usual = min(sweep, key=lambda summary: abs(figures.delta_of(summary) - 0.7))
            drawn["levels"] = figures.levels(findings, usual)
    return drawn


_SCHEMES = (
    "<style>svg{color:#1d2127} @media (prefers-color-scheme:dark){svg{color:#e6e9ed}}</style>"
)


def as_svg(figure: Figure) -> str:
    """A figure for a page: transparent, its ink the text colour of light and dark pages."""
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    drawing = buffer.getvalue().replace(INK, "currentColor")
    begin = drawing.index("<svg")
    inside = drawing.index(">", begin) + 1
    return drawing[begin:inside] + _SCHEMES + drawing[inside:]


def save(drawn: Mapping[str, Figure], folder: Path) -> None:
    """Every figure as PNG, on white, for documents that show no SVG."""
    import matplotlib

    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(_STYLE):
        for name, figure in drawn.items():
            figure.savefig(folder / f"{name}.png", dpi=110, facecolor="white")
