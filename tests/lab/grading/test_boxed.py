r"""The last complete box, in one pass over the text."""

from __future__ import annotations

import re

import pytest

from rsd_graph.lab.grading.boxed import last_boxed

hypothesis = pytest.importorskip("hypothesis")
st = hypothesis.strategies

PIECES = [
    "\\boxed{",
    "\\fbox {",
    "\\boxed\n{",
    "{",
    "}",
    "\\{",
    "\\}",
    "\\",
    "\\\\",
    "7",
    "boxed",
    " ",
]


def by_definition(text: str) -> str | None:
    """From the last box backwards, each read to the brace that closes it."""
    for match in reversed(list(re.finditer(r"\\(?:boxed|fbox)\s*\{", text))):
        depth, position = 1, match.end()
        while position < len(text):
            if text[position] == "\\":
                position += 1
            elif text[position] in "{}":
                depth += 1 if text[position] == "{" else -1
                if depth == 0:
                    return text[match.end() : position].strip()
            position += 1
    return None


@hypothesis.given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@hypothesis.settings(max_examples=500, deadline=None)
def test_one_pass_finds_what_the_definition_says(text: str) -> None:
    """Nested, unclosed, escaped: the same box as when every one is read for itself."""
    assert last_boxed(text) == by_definition(text)


def test_many_boxes_that_never_close_are_no_work() -> None:
    """A model that repeats itself to the end of its budget: read once, not once for each box."""
    assert last_boxed("\\boxed{" * 300_000) is None
