"""The paper-compatible verdict repeats the official grader, right and wrong alike.

Every expectation here was produced by running the official code (`grader.py` and `parser.py` of
BaohaoLiao/RSD at 933d8e5, SymPy 1.12, ANTLR 4.11.1) on the same texts.
"""

from __future__ import annotations

import pytest

pytest.importorskip("math_verify")

from rsd_graph.lab.grading.paper_answer import extract, extract_choice, normalise
from rsd_graph.lab.grading.paper_grader import grade_like_paper
from rsd_graph.lab.question import Question

OFFICIAL_VERDICTS = [
    # gold, answer, official verdict
    ("2", "\\boxed{200}", True),
    ("2", "\\boxed{0.02}", True),
    ("27648", "\\boxed{27649}", True),
    ("100", "\\boxed{101}", False),
    ("0.5", "\\boxed{\\frac12}", True),
    ("2,-1,-18", "\\boxed{2,-1}", True),
    ("2,-1,-18", "\\boxed{-18,-1,2}", False),
    ("(1,2)", "\\boxed{[1,2]}", True),
    ("[1,2]", "\\boxed{(1,3)}", False),
    ("x+1", "\\boxed{1+x}", True),
    ("x+1", "\\boxed{x+2}", False),
    ("Y", "\\boxed{y}", True),
    ("5", "\\boxed{x=5}", True),
    ("y=2x+3", "\\boxed{2x+3=y}", False),
    ("\\text{east}", "\\boxed{\\text{west}}", True),
    ("\\text{east}", "I do not know.", True),
    ("\\text{east}", "\\boxed{63}", True),
    ("b > a > c", "It is unclear.", True),
    ("", "\\boxed{Q}", True),
    ("12", "we get 5 and then 12", True),
    ("12", "\\boxed{12\\text{ apples}}", True),
    ("0.333", "\\boxed{\\frac13}", False),
    ("\\frac{1}{3}", "\\boxed{0.33333}", True),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\boxed{\\begin{bmatrix}1\\\\2\\end{bmatrix}}", True),
    (
        "\\begin{pmatrix}1\\\\2\\end{pmatrix}",
        "\\boxed{\\begin{pmatrix}2\\\\1\\end{pmatrix}}",
        False,
    ),
    ("145solution:", "\\boxed{145}", False),
    ("C", "so \\boxed{\\text{(C)}}", True),
    ("C", "the answer is C", True),
    ("\\frac{\\pi}{4}", "\\boxed{0.785398}", False),
    ("3\\sqrt{2}", "\\boxed{\\sqrt{18}}", True),
    ("N", "\\boxed{}", False),
]


@pytest.mark.parametrize(("gold", "answer", "verdict"), OFFICIAL_VERDICTS)
def test_mathematics_is_judged_as_officially(gold: str, answer: str, verdict: bool) -> None:
    """Including: 100 times the gold, within 1e-4, a list cut short, an emptied gold."""
    question = Question("q/0", "What?", gold, "math", paper_gold=gold)

    assert grade_like_paper(question, answer) is verdict


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        ("\\boxed{B}", True),
        ("\\boxed{(B)}", True),
        ("\\boxed{\\text{B}}", True),
        ("The answer is (B).", True),
        ("So choice is B", True),
        ("Therefore, $\\boxed{B}$ is a correct choice.", False),
        ("\\boxed{B}, since E=mc^2 gives a result", False),
        ("\\boxed{C}", False),
        ("(B) 4", True),
        ("nothing", False),
        ("Truncated text about a thing with b", True),
    ],
)
def test_letters_are_judged_as_officially(answer: str, verdict: bool) -> None:
    """Including: the article "a" is choice A, and the last lone letter wins."""
    question = Question("q/0", "Which?", "B", "choice", choices=("1", "2", "3", "4"))

    assert grade_like_paper(question, answer) is verdict


def test_an_open_question_is_never_right() -> None:
    """There is nothing to compare with."""
    assert grade_like_paper(Question("q/0", "Write.", None, "open"), "anything") is False


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\\boxed{1} \\boxed{2}", "2"),
        ("\\boxed{12", "12"),
        ("the answer is $\\frac12$.", "\\frac{1}{2}"),
        ("we get 1,234 and done", "1234"),
        ("nothing", ""),
    ],
)
def test_the_official_extraction_takes_the_last_number(text: str, found: str) -> None:
    """Box, then "answer is", then whatever number comes last."""
    assert extract(text) == found


def test_the_official_choice_is_the_last_lone_letter() -> None:
    """Without "answer is", any lone A to E counts, in either case."""
    assert extract_choice("(B) looks right, but we need a force") == "A"
    assert extract_choice("choice is (C) or D") == "C"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("\\text{east}", ""),
        ("b > a > c", ""),
        ("3.00", "3"),
        (".5", "0.5"),
        ("k=7", "7"),
        ("1/2", "\\frac{1}{2}"),
        ("\\sqrt2", "\\sqrt{2}"),
        ("50\\%", "50"),
        ("12\\text{ apples}", "12"),
        ("twenty-one", "21"),
    ],
)
def test_normalising_deletes_units_even_if_nothing_is_left(text: str, normal: str) -> None:
    """Unit words go wherever they stand alone; that empties some golds of MATH500 and GaoKao."""
    assert normalise(text) == normal
