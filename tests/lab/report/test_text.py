"""Numbers and tables as text."""

from __future__ import annotations

import pytest

from rsd_graph.lab.report.text import (
    UNITS,
    markdown_table,
    of,
    percent,
    points,
    scaled,
    short,
    text_table,
)
from rsd_graph.lab.statistics import Estimate


def test_markdown_tables() -> None:
    """One line per row."""
    assert markdown_table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_tables_for_terminals() -> None:
    """Columns of one width, nothing at the ends of lines."""
    assert text_table(["arm", "x"], [["a", "1"], ["longer", ""]]) == "arm     x\na       1\nlonger"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (999, "999"), (1000, "1k"), (1.5e9, "1.5G"), (2e15, "2e+03T")],
)
def test_three_digits_and_a_unit(value: float, text: str) -> None:
    """The largest unit that is reached."""
    assert short(value) == text


def test_a_smallest_unit_can_be_asked_for() -> None:
    """A column of millions stays one."""
    assert scaled(5e4, UNITS[:3]) == (0.05, "M")


def test_intervals() -> None:
    """Shares in percent, differences in points with their sign, costs in percent of another's."""
    assert percent(Estimate(0.5, 0.25, 1.0), "%") == "50.0% [25.0, 100.0]"
    assert points(Estimate(-0.05, -0.1, 0.0)) == "-5.0 [-10.0, +0.0]"
    assert (of(1, 4), of(1, 0), of(1, None)) == (" (25%)", "", "")
