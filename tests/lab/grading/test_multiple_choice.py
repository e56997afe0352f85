"""Letters are read from boxes and plain statements, never guessed."""

from __future__ import annotations

import pytest

from rsd_graph.lab.grading.boxed import last_boxed
from rsd_graph.lab.grading.multiple_choice import extract_letter


@pytest.mark.parametrize(
    "text",
    [
        "\\boxed{B}",
        "\\boxed{b}",
        "\\boxed{(B)}",
        "\\boxed{\\text{B}}",
        "\\boxed{\\text{(B)}}",
        "\\boxed{\\textbf{(B)}}",
        "\\boxed{\\mathrm{B}}.",
        "\\boxed{\\left(B\\right)}",
        "\\boxed{B.}",
        "\\boxed{(B) 42}",
        "\\boxed{\\textbf{(B) } 42}",
        "\\boxed{B: iron}",
        "First \\boxed{A}, but really \\boxed{B}",
        "Therefore, $\\boxed{B}$ is a correct choice.",
        "\\boxed{B}, since E=mc^2 gives a result",
        "\\boxed{B} and later the answer is (A)",
        "The answer is (B).",
        "the answer is **B**",
        "The correct answer is: B",
        "**Answer:** B",
        "Answer: $B$",
        "The correct option is B, because of A.",
        "The answer is option (B).",
        "The answer is \\text{(B)}.",
        "The answer is A? No, the answer is B.",
    ],
)
def test_a_stated_letter_is_found(text: str) -> None:
    """The last box counts first, then the last "answer is"."""
    assert extract_letter(text) == "B"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "B",
        "It is a prime, so we are done with E=mc^2.",
        "The answer is a prime.",
        "The answer is Because",
        "Option A is wrong and (B) too.",
        "\\boxed{A, B}",
        "\\boxed{\\text{A and C}}",
        "\\boxed{(A) or (B)}",
        "\\boxed{42}",
        "\\boxed{}",
        "We try (B), and then",
        "so \\boxed{B",
    ],
)
def test_no_letter_is_guessed(text: str) -> None:
    """A lone letter in prose, several letters or a truncated box choose nothing."""
    assert extract_letter(text) is None


def test_letters_past_the_last_option_do_not_count() -> None:
    """With four options E is a symbol, not a choice."""
    assert extract_letter("\\boxed{E}", ("1", "2", "3", "4")) is None
    assert extract_letter("\\boxed{E}", ("1", "2", "3", "4", "5")) == "E"


def test_a_box_that_repeats_one_option_chooses_it() -> None:
    """Models box the option's content instead of its letter; two equal options choose nothing."""
    assert extract_letter("\\boxed{10^{-4}\\text{ eV}}", ("1 eV", "$10^{-4}$ eV")) == "B"
    assert extract_letter("\\boxed{1}", ("1", "1", "2")) is None


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("\\boxed{1} \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\fbox{3}", "3"),
        ("\\boxed {4}", "4"),
        ("\\boxed{\\{1,2\\}}", "\\{1,2\\}"),
        ("\\boxed{1} then \\boxed{\\frac{1}{", "1"),
        ("\\boxed{}", ""),
        ("no box", None),
        ("\\boxed{", None),
    ],
)
def test_the_last_complete_box_counts(text: str, content: str | None) -> None:
    """Braces are matched, escaped ones skipped, and a truncated box is passed over."""
    assert last_boxed(text) == content
