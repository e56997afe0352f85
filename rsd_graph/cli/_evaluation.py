"""How an evaluation looks in a terminal."""

from __future__ import annotations

from typing import Any

from rsd_graph.cli._show import screen
from rsd_graph.lab.report.tables import text_table


def show(found: dict[str, Any]) -> None:
    """The tables, then what to know when reading them."""
    console = screen()
    dataset, count = found["conditions"]["dataset"], found["conditions"]["questions"]
    console.print(f"{dataset}, {count} questions", style="bold")
    console.print(text_table(found["headers"], found["table"]))
    for headers, *rows in filter(None, (found["by_dataset"], found["published"])):
        console.print(text_table(headers, rows))
    if prm := found["prm"]:
        area = "undefined" if prm["step_auroc"] is None else f"{prm['step_auroc']:.4f}"
        console.print(
            f"PRM step-AUROC {area} over {prm['steps']} draft steps up to the first error, "
            f"{prm['wrong_steps']} of them wrong"
        )
    for line in _remarks(found):
        console.print(line)
    console.print(", ".join(f"{name} {value}" for name, value in found["conditions"].items()))


def _remarks(found: dict[str, Any]) -> list[str]:
    """What a reader of the table must know to read it right."""
    remarks = []
    if found["excluded"]:
        remarks.append(
            f"left out, because they have no usable gold: {', '.join(found['excluded'])}"
        )
    graded = [arm for arm in found["arms"] if arm["paper_accuracy"] is not None]
    if graded:
        shares = ", ".join(f"{arm['name']} {arm['paper_accuracy']:.1%}" for arm in graded)
        remarks.append(f"as the paper's evaluation grades: {shares}")
    for arm, error in found["errors"].items():
        remarks.append(f"{arm} failed, first by {error}")
    return remarks
