"""Our own verdict on mathematics and letters."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("math_verify")

from rsd_graph.errors import InputError
from rsd_graph.lab import Question, Verdict, grade
from rsd_graph.lab.grading.verdict import extract_math, math_equal


def question(gold: str | None, **fields: Any) -> Question:
    return Question("q/0", "What?", gold, **({"kind": "math"} | fields))


@pytest.mark.parametrize(
    ("found", "gold"),
    [
        ("2,125", "2125"),
        ("2125.00", "2125"),
        ("\\$18", "18"),
        ("x=14,000", "14000"),
        ("\\text{14,000}", "14000"),
        ("10{,}000", "10000"),
        ("1/2", "\\frac{1}{2}"),
        ("0.5", "\\frac12"),
        ("\\dfrac{2}{4}", "\\frac{1}{2}"),
        ("50\\%", "50"),
        ("50\\%", "0.5"),
        ("17.5\\%", "17.5%"),
        ("-18, -1, 2", "2,-1,-18"),
        ("84 and 69", "69,84"),
        ("(2,7), (1,8)", "(1,8), (2,7)"),
        ("[-2,1)", "\\{x|-2\\leq x < 1\\}"),
        ("x > 2", "(2, \\infty)"),
        ("(-\\infty,0)\\cup\\{1\\}", "(-\\infty, 0) \\cup\\{1\\}"),
        ("b>a>c", "b > a > c"),
        ("east", "\\text{east}"),
        ("4:30 \\text{ p.m.}", "\\text{4:30 p.m.}"),
        ("y = 3 + 2x", "y = 2x + 3"),
        ("3 - 2\\sqrt{2}, 3 + 2\\sqrt{2}", "3 \\pm 2 \\sqrt{2}"),
    ],
)
def test_the_same_answer_in_other_words_is_right(found: str, gold: str) -> None:
    """Notation, order of a list, and thousands commas do not matter."""
    assert math_equal(found, gold)


@pytest.mark.parametrize(
    ("found", "gold"),
    [
        ("27649", "27648"),
        ("200", "2"),
        ("0.02", "2"),
        ("1", "\\{x|-2\\leq x < 1\\}"),
        ("[-2,1]", "\\{x|-2\\leq x < 1\\}"),
        ("(1,2)", "[1,2]"),
        ("2,-1", "2,-1,-18"),
        ("1,2,3", "1,2"),
        ("(7,2), (1,8)", "(1,8), (2,7)"),
        ("1,234", "1,2,3,4"),
        ("b > c > a", "b > a > c"),
        ("west", "\\text{east}"),
        ("\\text{a sufficient condition}", "a necessary but not a sufficient condition"),
        ("N=n+1", "N=n"),
        ("4:30 \\text{ a.m.}", "\\text{4:30 p.m.}"),
        ("", "5"),
    ],
)
def test_another_answer_is_wrong(found: str, gold: str) -> None:
    """Among them what the paper's grader lets pass: 100 times too much, a list cut short."""
    assert not math_equal(found, gold)


@pytest.mark.parametrize(
    ("found", "gold", "unit"),
    [
        ("166 cm^2", "166", "$cm^2$"),
        ("\\frac{600}{7}\\text{ km/h}", "\\frac{600}{7}", "km/h"),
        ("4.2\\%", "4.2", "%"),
        ("45 minutes", "45", "minute"),
        ("90^{\\circ}", "90", "^{\\circ}"),
    ],
)
def test_an_answer_may_repeat_the_unit_asked_for(found: str, gold: str, unit: str) -> None:
    """OlympiadBench gives the unit apart from the number."""
    assert math_equal(found, gold, unit)


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("\\boxed{1}, no: \\boxed{2}. We had 3 before.", "2"),
        ("Reasoning.\n#### 1,200", "1,200"),
        ("The answer is $b > a > c$.", "b > a > c"),
        ("So the final answer is \\(\\frac12\\), as 7 is odd.", "\\frac12"),
        ("The answer is 18.", "18"),
        ("We get 5 and then 7", None),
        ("so the sum is \\boxed{12", None),
        ("\\boxed{}", None),
        ("", None),
    ],
)
def test_only_a_stated_answer_is_an_answer(answer: str, found: str | None) -> None:
    """The last box, else a statement; a number that merely comes last is a step."""
    assert extract_math(answer) == found


def test_a_verdict_says_what_was_found_and_why() -> None:
    """Both verdicts, the extracted answer, and the reason."""
    ours = grade(question("12"), "It is \\boxed{1200}.")

    assert ours == Verdict(False, paper_correct=True, extracted="1200", reason="mismatch")
    assert grade(question("12"), "It is 12.").reason == "no answer"


def test_letters_are_graded_by_letter() -> None:
    """The same text is read differently by the paper: its last lone letter is the article."""
    choices = ("1", "2", "3", "4")
    answer = "Therefore, $\\boxed{B}$ is a correct choice."

    verdict = grade(question("B", kind="choice", choices=choices), answer)

    assert verdict == Verdict(True, paper_correct=False, extracted="B", reason="match")


@pytest.mark.parametrize("gold", [None, ""])
def test_a_question_without_a_gold_is_never_right(gold: str | None) -> None:
    """Open-ended questions and empty golds are refused, not graded."""
    with pytest.raises(InputError, match="no gold answer"):
        grade(question(gold, kind="open" if gold is None else "math"), "\\boxed{}")
