"""Inside the laboratory, too, imports point down only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rsd_graph.lab

LAB = Path(rsd_graph.lab.__file__).parent
FLOORS = [
    {"accounting", "concurrency", "files", "question", "setup", "statistics"},
    {"experiment", "grading", "journal", "step_statistics"},
    {"arms", "latency", "questions"},
    {"exam", "planning"},
    {"batch", "calibration", "runner"},
    {"report"},
]
"""Asking knows no grading, grading no data set, and nobody knows how results will look."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def rooms_used(path: Path) -> set[str]:
    """The laboratory's rooms and modules that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[2] for name in modules if name.startswith("rsd_graph.lab.")}


@pytest.mark.parametrize(
    "path", sorted(LAB.rglob("*.py")), ids=lambda path: str(path.relative_to(LAB))
)
def test_imports_point_down_only(path: Path) -> None:
    """A room may use itself and those below it."""
    room = path.relative_to(LAB).parts[0].removesuffix(".py")
    if room == "__init__":
        return  # the front door names what every room offers

    above = {used for used in rooms_used(path) - {room} if FLOOR_OF[used] >= FLOOR_OF[room]}

    assert above == set()
