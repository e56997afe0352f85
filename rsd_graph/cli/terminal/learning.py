"""How a learned verdict looks in a terminal."""

from __future__ import annotations

from pathlib import Path

from rsd_graph.cli.terminal.screen import screen
from rsd_graph.lab.calibration.learn import Learning
from rsd_graph.lab.report.text import percent, text_table

_CURVE = ("probability", "steps", "good [95 %]")


def show_learning(found: Learning, out: Path) -> None:
    """What it weighs, what it is worth on prompts it has not seen, and how to use it."""
    console, lesson, test = screen(), found.lesson, found.held_out
    weights = [(name, f"{weight:+.3g}") for name, weight in lesson.weights.items()]
    console.print(text_table(("feature", "weight"), weights))
    console.print(
        f"a step is good if {lesson.label}; learned on {found.prompts - test.prompts} prompts"
    )
    curve = [(f"{b.mean_reward:.2f}", str(b.count), percent(b.accuracy)) for b in test.bins]
    console.print(text_table(_CURVE, curve))
    area = "undefined" if test.auroc is None else f"{test.auroc:.3f}"
    console.print(
        f"on {test.prompts} held-out prompts: AUROC {area} over {test.steps} steps, "
        f"{test.good:.1%} of them good; off by {test.expected_calibration_error:.1%} on average"
    )
    low, high = lesson.unsure
    band = test.band
    console.print(
        f"unsure from {low:.3g} to {high:.3g}: a PRM is asked about {band.asked:.0%} of the steps; "
        f"{band.slipped:.1%} of the answers hold a step that is let through and not good, "
        f"{band.wasted:.0%} of the steps rejected without it are good"
    )
    if found.course.beside_prm:
        console.print(f"written to {out}; use it with --prm learned:{out},PRM")
    else:
        console.print(f"written to {out}; use it with --prm cascade:learned:{out},PRM")
        console.print(f"or without any PRM, with --prm learned:{out} --delta 0.5")
    console.print(
        "the draft has to report log-probabilities: add ?logprobs=on to its endpoint string"
    )
