"""Three pictures, readable on light and on dark pages: transparent, in colours that carry on both.

Needs matplotlib (the extra `eval`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rsd_graph.lab.latency.presets import base_and_variant
from rsd_graph.lab.latency.suite import Results

_INK = "#808890"
_COLOURS = {
    "lockstep": "#d9534f",
    "sequential": "#e08a2e",
    "lookahead 2": "#4a90d9",
    "lookahead 2, hedged": "#1f4e8c",
    "lookahead auto": "#2fa36b",
    "lookahead auto, step pooling": "#c2598f",
    "lookahead auto, 1.5B PRM": "#7a63c7",
    "lookahead auto, shared GPUs": "#1f4e8c",
    "lookahead 32": "#7a63c7",
    "target only": "#9aa0a6",
    "target only, all GPUs": "#b07d4f",
}
_VARIANTS = {"step": ", step pooling", "prm1.5b": ", 1.5B PRM", "shared": ", shared GPUs"}


def draw(results: Results, folder: Path) -> list[Path]:
    """Write the pictures there is data for into *folder*."""
    pictures = {
        "latency.png": (_latency, results["latency"]),
        "latency_throughput.png": (_throughput, results["throughput"]),
        "latency_prm_tokens.png": (_growth, results["growth"]),
    }
    written = []
    for name, (plot, rows) in pictures.items():
        if rows:
            plot(rows).savefig(folder / name, dpi=150, transparent=True, bbox_inches="tight")
            written.append(folder / name)
    return written


def _panels(titles: Iterable[str], title: str, x: str, y: str) -> tuple[Any, list[Any]]:
    """One figure with a panel for each title, in ink that shows on any page."""
    from matplotlib.figure import Figure

    names = list(titles)
    figure = Figure(figsize=(1 + 4.2 * len(names), 4.4))
    figure.suptitle(f"{title} (latency simulation)", color=_INK, fontsize=13)
    panels = list(figure.subplots(1, len(names), squeeze=False)[0])
    for panel, name in zip(panels, names, strict=True):
        panel.set_title(name, color=_INK, fontsize=11)
        panel.set_xlabel(x, color=_INK)
        panel.tick_params(colors=_INK, which="both")
        panel.grid(color=_INK, alpha=0.25, linewidth=0.6)
        for spine in panel.spines.values():
            spine.set_color(_INK)
    panels[0].set_ylabel(y, color=_INK)
    return figure, panels


def _legend(figure: Any, panel: Any) -> None:
    handles, names = panel.get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        loc="lower center",
        bbox_to_anchor=(0.5, -0.13),
        ncols=5,
        frameon=False,
        labelcolor=_INK,
    )


def _style(arm: str) -> dict[str, object]:
    """The loop is drawn broad, because others may lie on it."""
    dashed = "--" if arm.startswith("target") else "-"
    broad = 4.5 if arm == "lockstep" else 1.6
    return {"c": _COLOURS[arm], "ls": dashed, "lw": broad, "marker": "o", "ms": 4}


def _lines(panel: Any, rows: list[Any], x: str, y: str) -> None:
    for arm in dict.fromkeys(row["arm"] for row in rows):
        points = [(row[x], row[y]) for row in rows if row["arm"] == arm]
        panel.plot(*zip(*points, strict=True), label=arm, **_style(arm))


def _latency(rows: list[Any]) -> Any:
    presets = list(dict.fromkeys(row["preset"] for row in rows))
    figure, panels = _panels(
        presets, "One answer at a time", "share of steps rejected", "mean latency, s"
    )
    for panel, preset in zip(panels, presets, strict=True):
        _lines(panel, [row for row in rows if row["preset"] == preset], "rejects", "mean")
        panel.set_ylim(bottom=0)
        panel.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    _legend(figure, panels[0])
    return figure


def _throughput(rows: list[Any]) -> Any:
    """A panel for each pair of models, its PRM's variants in it."""
    named = [_with_variant(row) for row in rows]
    shown = [row for row in named if row["arm"] in _COLOURS]
    presets = list(dict.fromkeys(row["preset"] for row in shown))
    figure, panels = _panels(presets, "Many answers at once", "answers at once", "answers per s")
    for panel, preset in zip(panels, presets, strict=True):
        _lines(
            panel, [row for row in shown if row["preset"] == preset], "concurrency", "per_second"
        )
        _counts(panel)
    _legend(figure, panels[0])
    return figure


def _counts(panel: Any) -> None:
    """Both axes in logarithms, with numbers that people read."""
    from matplotlib.ticker import LogLocator, NullFormatter

    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.yaxis.set_minor_formatter(NullFormatter())
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_major_formatter(lambda count, _: f"{count:,.10g}")


def _with_variant(row: Any) -> Any:
    base, variant = base_and_variant(row["preset"])
    return {**row, "preset": base, "arm": row["arm"] + _VARIANTS.get(variant, "")}


def _growth(rows: list[Any]) -> Any:
    presets = list(dict.fromkeys(row["preset"] for row in rows))
    figure, panels = _panels(
        presets,
        "PRM tokens computed per answer, 15 % rejected, 8 at once",
        "steps of the answer",
        "PRM tokens",
    )
    for panel, preset in zip(panels, presets, strict=True):
        for row in rows:
            if (row["preset"], row["rejects"]) == (preset, 0.15):
                style = _style(row["arm"])
                panel.plot(row["steps"], row["prm_tokens"], label=row["arm"], **style)
        _counts(panel)
    for panel in panels[1:]:
        panel.sharey(panels[0])
        panel.tick_params(labelleft=False)
    panels[0].autoscale()
    _legend(figure, panels[0])
    return figure
