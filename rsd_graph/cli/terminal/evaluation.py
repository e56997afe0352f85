"""What `rsd-graph eval` found: as plain data, and as it looks in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from typing_extensions import TypedDict

from rsd_graph.cli.terminal.screen import screen, show_table


class Evaluation(TypedDict):
    """Everything that `--json` prints."""

    conditions: dict[str, object]
    excluded: list[str]
    """Ids of questions without a usable gold."""
    prm: dict[str, float | None] | None
    """What the PRM says of the draft's own steps, where their truth is known."""
    arms: list[dict[str, object]]
    headers: Sequence[str]
    table: list[tuple[str, ...]]
    errors: dict[str, str]
    """The first error of each arm that had one."""
    by_dataset: list[tuple[str, ...]]
    """Headers and rows, like the next; nothing where they do not apply."""
    published: list[tuple[str, ...]]


def show_evaluation(found: Evaluation) -> None:
    """The tables, then what to know when reading them."""
    console = screen()
    conditions = found["conditions"]
    console.print(f"{conditions['dataset']}, {conditions['questions']} questions", style="bold")
    show_table(console, found["headers"], found["table"])
    for headers, *rows in filter(None, (found["by_dataset"], found["published"])):
        show_table(console, headers, rows)
    for line in _remarks(found):
        console.print(line)
    console.print(", ".join(f"{name} {value}" for name, value in conditions.items()))


def _remarks(found: Evaluation) -> Iterator[str]:
    """What a reader of the table must know to read it right."""
    if prm := found["prm"]:
        area = "undefined" if prm["step_auroc"] is None else f"{prm['step_auroc']:.4f}"
        yield (
            f"PRM step-AUROC {area} over {prm['steps']} draft steps up to the first error, "
            f"{prm['wrong_steps']} of them wrong"
        )
    if found["excluded"]:
        yield f"left out, because they have no usable gold: {', '.join(found['excluded'])}"
    graded = [arm for arm in found["arms"] if arm["paper_accuracy"] is not None]
    if graded:
        shares = ", ".join(f"{arm['name']} {arm['paper_accuracy']:.1%}" for arm in graded)
        yield f"as the paper's evaluation grades: {shares}"
    for arm, error in found["errors"].items():
        yield f"{arm} failed, first by {error}"
