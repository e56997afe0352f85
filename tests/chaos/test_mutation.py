"""The page of mutation testing, from what `mutmut` leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.chaos.mutation import Mutant, mutants_in, page_of, reasons_in

SOURCE = """\
class Sum:
    def xǁSumǁof__mutmut_orig(self, a, b):
        return a + b + 0
    def xǁSumǁof__mutmut_1(self, a, b):
        return a - b + 0
    def xǁSumǁof__mutmut_2(self, a, b):
        return a + b - 0
def x_name__mutmut_orig():
    return call(
        "ours",
        None,
    )
def x_name__mutmut_1():
    return call(
        "ours",
        )
def x_name__mutmut_2():
    return call(
        "theirs",
        None,
    )
"""
SPANS = {
    "xǁSumǁof__mutmut_orig": [2, 3],
    "xǁSumǁof__mutmut_1": [4, 5],
    "xǁSumǁof__mutmut_2": [6, 7],
    "x_name__mutmut_orig": [8, 12],
    "x_name__mutmut_1": [13, 16],
    "x_name__mutmut_2": [17, 21],
}
REASONS = """
[[equivalent]]
functions = ["pack.module.Sum.of"]
changes = [["b + 0", "b - 0"], ["a + b", "b + a"]]
why = "Zero is zero."
[[equivalent]]
functions = ["pack.module.name"]
changes = [["None,", ""]]
why = "None is the default."
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run leaves: sources with all mutants, where each stands, and how each ended."""
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "module.py").write_text(SOURCE, encoding="utf-8")
    (tmp_path / "pack" / "module.py.spans").write_text(json.dumps({"spans": SPANS}))
    codes = {"xǁSumǁof__mutmut_1": 1, "xǁSumǁof__mutmut_2": 0}
    codes |= {"x_name__mutmut_1": 0, "x_name__mutmut_2": 0}
    meta = {"exit_code_by_key": {f"pack.module.{name}": code for name, code in codes.items()}}
    (tmp_path / "pack" / "module.py.meta").write_text(json.dumps(meta))
    (tmp_path / "pack" / "other.py.meta").write_text(json.dumps({"exit_code_by_key": {}}))
    (tmp_path / "reasons.toml").write_text(REASONS)
    return tmp_path


def test_the_page_says_why_or_that_nobody_knows(folder: Path) -> None:
    """Explained by what was changed, not by number; what survives no more is named, too."""
    text, is_complete = page_of(mutants_in(folder), reasons_in(folder / "reasons.toml"))

    assert "| `pack/module.py` | 4 | 1 | 0 | 3 | 2 | 0 | 0 |\n| all | 4 | 1 | 0 | 3 | 2" in text
    _, explained, unexplained, stale = text.split("\n## ")
    assert explained.endswith(
        "- `pack.module.Sum.of`: `b + 0` → `b - 0`. Zero is zero.\n"
        "- `pack.module.name`: `None,` → nothing. None is the default.\n"
    )
    assert '- `pack.module.x_name__mutmut_2`: `"ours",` → `"theirs",`' in unexplained
    assert stale.endswith("- `pack.module.Sum.of`: `a + b` → `b + a`. Zero is zero.\n")
    assert is_complete is False


@pytest.mark.parametrize(
    ("was", "now", "is_it"),
    [("1", "2", True), ("1 + 1", "1 + 2", True), ("1", "3", False), ("4", "2", False)],
)
def test_a_change_is_in_one_place(was: str, now: str, is_it: bool) -> None:
    """Whichever it is, of several that look alike."""
    mutant = Mutant("m.f_1", "m.f", "survived", "return 1 + 1", "return  1 + 2")

    assert mutant.is_change(was, now) is is_it
