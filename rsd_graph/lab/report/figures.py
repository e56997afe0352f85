"""Each picture of a report; `pictures` chooses among them, sets their style and saves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rsd_graph.lab.calibration.reliability import calibration_bins, fit_isotonic
from rsd_graph.lab.calibration.step_evidence import StepEvidence
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.summary import ArmSummary
from rsd_graph.lab.statistics import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#010203"
_BLUE, _ORANGE, _GREEN, _RED, GREY = "#3987c9", "#d9822b", "#3f9b5f", "#cc4f4f", "#8a8f98"
_VIOLET, _BROWN, _PINK = "#9467bd", "#a0704f", "#d671b0"
_TICKS = (5, 10, 20, 50, 100, 200, 500, 1000)


class _Group(NamedTuple):
    """Arms that share a marker: all whose name starts with one of *prefixes*."""

    label: str
    colour: str
    marker: str
    prefixes: tuple[str, ...]


_ADAPTIVE = _Group("RSD, adaptive", _BROWN, "P", ("RSD adaptive",))
_BOUND = _Group("advantage oracle", _VIOLET, "*", ("advantage oracle",))
_BINARY = _Group("RSD, binary step", _BLUE, "o", tuple(f"RSD {digit}" for digit in range(10)))
_GROUPS = (
    _Group("one model alone", GREY, "s", ("draft only", "target only", "served")),
    _Group("search with the draft", _ORANGE, "^", ("majority", "best-of", "process", "beam")),
    _Group("other rivals", _PINK, "v", ("GSI", "SpecReason")),
    _Group("random mixing", _RED, "X", ("random", "RSD constant")),
    _BOUND,
    _ADAPTIVE,
    _BINARY,
    _Group("RSD, other weighting", _GREEN, "D", ("RSD ",)),
)


def delta_of(summary: ArmSummary) -> float:
    """The arm's threshold, -1 where it has none."""
    return -1.0 if summary.delta is None else summary.delta


def _figure(panels: int = 1, size: tuple[float, float] = (6.4, 4.0)) -> tuple[Figure, list[Axes]]:
    """An empty figure with its panels side by side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    return figure, [figure.add_subplot(1, panels, number) for number in range(1, panels + 1)]


def costs(findings: Findings) -> Figure:
    """Accuracy against cost in both accountings."""
    figure, panels = _figure(2, (11, 5))
    base = findings.baseline
    for axes, kind in zip(panels, ("decode_only", "full"), strict=True):
        scale = getattr(base, kind) / 100 if base else 1.0
        _cost_panel(axes, [(getattr(s, kind) / scale, s) for s in findings.summaries])
        unit = "% of the target alone" if base else "per question"
        label = f"FLOPs, {kind.replace('_', '-')}, {unit} (log scale)"
        axes.set(xlabel=label, ylabel="accuracy %")
        if base:
            left, right = axes.get_xlim()
            ticks = [tick for tick in _TICKS if left <= tick <= right]
            axes.set_xticks(ticks, [str(tick) for tick in ticks])
            axes.minorticks_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return figure


def _cost_panel(axes: Axes, points: Sequence[tuple[float, ArmSummary]]) -> None:
    """One accounting: a marker for each arm, and a dotted front of what no arm beats."""
    for group in _GROUPS:
        found = [(x, s.accuracy) for x, s in points if _group_of(s) is group]
        mine = sorted(found, key=lambda point: point[0])
        if not mine:
            continue
        where, values = [x for x, _ in mine], [accuracy for _, accuracy in mine]
        line = "-" if group is _BINARY else ""
        axes.errorbar(
            where,
            _percent(values),
            yerr=_bars(values),
            marker=group.marker,
            color=group.colour,
            linestyle=line,
            linewidth=1,
            elinewidth=0.6,
            label=group.label,
        )
    possible = sorted((x, 100 * s.accuracy.value) for x, s in points if _group_of(s) is not _BOUND)
    front = [p for i, p in enumerate(possible) if all(p[1] > q[1] for q in possible[:i])]
    axes.step(*zip(*front, strict=True), where="post", color=INK, lw=0.8, ls=":", zorder=1)
    axes.set_xscale("log")
    for x, summary in points:
        if summary.name in ("draft only", "target only", "RSD 0.7"):
            below = summary.name == "draft only"
            axes.annotate(
                summary.name,
                (x, 100 * summary.accuracy.value),
                xytext=(6, -12) if below else (-7, 7),
                ha="left" if below else "right",
                textcoords="offset points",
                fontsize=8,
            )


def _group_of(summary: ArmSummary) -> _Group:
    return next((g for g in _GROUPS if summary.name.startswith(g.prefixes)), _GROUPS[0])


def sweep(sweep: Sequence[ArmSummary]) -> Figure:
    """What delta buys: accuracy, the draft's share of questions, the target's share of steps."""
    figure, (axes,) = _figure()
    where = [delta_of(summary) for summary in sweep]
    _band(axes, where, [s.accuracy for s in sweep], _BLUE, "accuracy")
    alone = [100 * summary.draft_alone for summary in sweep]
    axes.plot(
        where, alone, color=_ORANGE, marker="^", label="questions answered by the draft alone"
    )
    share = [100 * (1 - (summary.acceptance or 0.0)) for summary in sweep]
    axes.plot(where, share, color=GREY, marker="s", label="steps written by the target")
    axes.set(xlabel="delta", ylabel="%", ylim=(0, 103))
    axes.legend(fontsize=8)
    return figure


def rewards(evidence: StepEvidence) -> Figure:
    """How rewards fall on right and on wrong steps, on a log scale: most steps are right."""
    figure, (axes,) = _figure()
    pairs = list(zip(evidence.rewards, evidence.labels, strict=True))
    edges = [index / 25 for index in range(26)]
    for right, colour, label in ((True, _GREEN, "right steps"), (False, _RED, "wrong steps")):
        rewards = [reward for reward, is_right in pairs if is_right is right]
        shown = f"{label} ({len(rewards)})"
        axes.hist(rewards, bins=edges, color=colour, alpha=0.6, label=shown)
    axes.set(yscale="log", xlabel="reward of a draft step", ylabel="steps (log scale)")
    axes.legend()
    return figure


def calibration(evidence: StepEvidence) -> Figure:
    """Is a reward of 0.8 right 80 % of the time? Bins with intervals, and the isotonic repair."""
    figure, (axes,) = _figure()
    bins = calibration_bins(evidence.rewards, evidence.labels)
    repair = fit_isotonic(evidence.rewards, evidence.labels)
    axes.plot([0, 100], [0, 100], color=INK, lw=0.8, ls=":", label="perfectly calibrated")
    accuracies = [entry.accuracy for entry in bins]
    axes.errorbar(
        [100 * entry.mean_reward for entry in bins],
        _percent(accuracies),
        yerr=_bars(accuracies),
        color=_BLUE,
        marker="o",
        label="steps by reward, 95 % interval",
    )
    grid = [index / 200 for index in range(201)]
    repaired = [100 * repair(reward) for reward in grid]
    axes.plot([100 * r for r in grid], repaired, color=_ORANGE, lw=1.2, label="isotonic map")
    axes.set(xlabel="mean reward in %", ylabel="steps that are right, %")
    axes.legend(fontsize=8)
    return figure


def levels(findings: Findings, usual: ArmSummary) -> Figure:
    """By level of difficulty: accuracy of the main arms, and what the draft did alone."""
    figure, (left, right) = _figure(2, (11, 4))
    main = {"draft only": _ORANGE, "target only": GREY, usual.name: _BLUE}
    for summary in findings.summaries:
        if summary.name in main and summary.levels:
            where = [level.level for level in summary.levels]
            accuracies = [level.accuracy for level in summary.levels]
            _band(left, where, accuracies, main[summary.name], summary.name)
    where = [level.level for level in usual.levels]
    _band(right, where, [level.draft_alone for level in usual.levels], _BLUE, usual.name)
    for axes, title in ((left, "accuracy %"), (right, "answered by the draft alone, %")):
        axes.set(xticks=where, xlabel="level of difficulty", ylabel=title, ylim=(0, 103))
        axes.legend(fontsize=8)
    return figure


def _band(
    axes: Axes, where: Sequence[float], values: Sequence[Estimate], colour: str, label: str
) -> None:
    """A line with its 95 % intervals as a band."""
    axes.plot(where, _percent(values), color=colour, marker="o", label=label)
    low, high = [100 * value.low for value in values], [100 * value.high for value in values]
    axes.fill_between(where, low, high, color=colour, alpha=0.15, linewidth=0)


def _percent(values: Sequence[Estimate]) -> list[float]:
    return [100 * value.value for value in values]


def _bars(values: Sequence[Estimate]) -> list[list[float]]:
    """Lengths of error bars below and above."""
    return [
        [100 * (value.value - value.low) for value in values],
        [100 * (value.high - value.value) for value in values],
    ]
