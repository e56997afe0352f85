"""Numbers and tables as text, for terminals, pages and Markdown alike."""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph.lab.statistics import Estimate

UNITS = (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3), ("", 1.0))


def scaled(value: float, units: Sequence[tuple[str, float]] = UNITS) -> tuple[float, str]:
    """*value* in the largest of *units* that it reaches, else in the last, and that unit."""
    unit, size = next((row for row in units if value >= row[1]), units[-1])
    return value / size, unit


def short(value: float) -> str:
    """A number to three digits, with its unit."""
    number, unit = scaled(value)
    return f"{number:.3g}{unit}"


def of(spent: float, baseline: float | None) -> str:
    """In percent of the *baseline*'s, if that cost something."""
    return f" ({spent / baseline:.0%})" if baseline else ""


def percent(estimate: Estimate, sign: str = "") -> str:
    """A share and its interval in percent."""
    value, low, high = (100 * part for part in (estimate.value, estimate.low, estimate.high))
    return f"{value:.1f}{sign} [{low:.1f}, {high:.1f}]"


def points(difference: Estimate, unit: str = "") -> str:
    """A difference of shares and its interval in points."""
    value, low, high = (100 * part for part in (difference.value, difference.low, difference.high))
    return f"{value:+.1f}{unit} [{low:+.1f}, {high:+.1f}]"


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for people who read Markdown."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def text_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same table for terminals: columns of one width, two spaces apart."""
    lines = [headers, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (map(str.ljust, cells, widths) for cells in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)
