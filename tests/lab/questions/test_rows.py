"""Rows of every supported shape become questions; the rows here are invented."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from rsd_graph.errors import InputError
from rsd_graph.lab.question import Exclusion, Question
from rsd_graph.lab.questions.rows import read_row

CHOICE_ROW = {
    "question": " Which is a metal? ",
    "choices": ["wood ", "iron", "glass", "wool"],
    "answer": 1,
    "type": "chemistry",
}


def read(row: dict[str, Any], source: str = "mine") -> Question:
    question = read_row(row, source=source, index=7)
    assert isinstance(question, Question)
    return question


def test_gsm8k_gold_is_what_follows_the_hashes() -> None:
    """The reasoning before "####" is no part of the gold, nor is the thousands comma."""
    row = {
        "question": "How many?",
        "answer": "1000+200=<<1000+200=1200>>1200\n#### 1,200",
        "idx": 4,
    }

    question = read(row, "gsm8k")

    assert (question.id, question.gold, question.kind) == ("gsm8k/4", "1200", "math")


def test_math500_keeps_level_subject_and_the_papers_gold() -> None:
    """The paper reads its gold from the worked solution, we read the answer field."""
    row = {
        "problem": "Solve.",
        "solution": "So $\\boxed{x \\in [1,2]}$.",
        "answer": "x \\in [1,2]",
        "subject": "Algebra",
        "level": 3,
        "unique_id": "test/1.json",
    }

    question = read(row, "math500")

    assert question.gold == "x \\in [1,2]"
    assert question.paper_gold == "[1,2]"
    assert (question.level, question.subject, question.id) == (3, "Algebra", "math500/test/1.json")


def test_gold_is_read_from_the_solution_if_there_is_no_answer() -> None:
    """Rows of the MATH dataset only have a worked solution, and levels as words."""
    row = {"problem": "Solve.", "solution": "First \\boxed{1}, then \\boxed{\\frac{1}{2}}."}

    question = read(row | {"level": "Level 5"})

    assert (question.gold, question.level) == ("\\frac{1}{2}", 5)


@pytest.mark.parametrize(
    ("final_answer", "gold"),
    [
        (["$69$,$84$"], "69,84"),
        (["$221,$8$"], "221,8"),
        (["$(-\\infty, 0) \\cup\\{1\\}$."], "(-\\infty, 0) \\cup\\{1\\}"),
        (["$1$", "$2$"], "1, 2"),
    ],
)
def test_olympiad_golds_lose_their_dollars(final_answer: list[str], gold: str) -> None:
    """Multi-answer golds stay one list, and "$" residue does not survive."""
    row = {"question": "Find all.", "final_answer": final_answer, "subfield": "Algebra"}

    question = read(row | {"unit": "km"})

    assert (question.gold, question.unit, question.subject) == (gold, "km", "Algebra")


def test_whole_floats_are_integers() -> None:
    """AMC23 stores 27.0 for the answer 27."""
    assert read({"question": "How far?", "answer": 27.0}).gold == "27"


def test_leftover_words_are_cut_from_a_gold() -> None:
    """One GaoKao gold reads `$145$solution:`; the paper keeps the word, we do not."""
    question = read({"question": "How many?", "answer": "$145$solution:"})

    assert (question.gold, question.paper_gold) == ("145", "145solution:")


def test_choices_are_shown_in_the_papers_wording() -> None:
    """Options are lettered in the order of the dataset, on the line after the question."""
    question = read(CHOICE_ROW, "mmlu_stem")

    assert question.text == (
        "Which is a metal?\nAnswer Choices: (A) wood (B) iron (C) glass (D) wool"
    )
    assert (question.gold, question.kind, question.subject) == ("B", "choice", "chemistry")


def test_reading_a_row_twice_gives_the_same_question_and_leaves_the_row_alone() -> None:
    """The official loader letters the options in place, so a second read says (A) (A)."""
    row = copy.deepcopy(CHOICE_ROW)

    first, second = read(row), read(row)

    assert first == second
    assert row == CHOICE_ROW


def test_hub_gpqa_does_not_put_the_right_answer_first() -> None:
    """Published GPQA rows list the right answer first; its letter must vary between questions."""
    rows = [
        {
            "Question": f"Question {n}?",
            "Correct Answer": "right",
            "Incorrect Answer 1": "wrong 1",
            "Incorrect Answer 2": "wrong 2",
            "Incorrect Answer 3": "wrong 3",
            "Record ID": f"rec{n}",
        }
        for n in range(40)
    ]

    questions = [read(row, "gpqa") for row in rows]

    assert {question.gold for question in questions} == set("ABCD")
    assert all(q.choices["ABCD".index(str(q.gold))] == "right" for q in questions)
    assert questions == [read(row, "gpqa") for row in rows]


@pytest.mark.parametrize("gold", ["C", "$C$", "\\text{(C)}", "C.", "(C)"])
def test_letter_golds_with_options_in_the_text_are_choices(gold: str) -> None:
    """GaoKao and MATH hide multiple choice among their mathematics."""
    question = read({"question": "Which: (A) 1 (B) 2 (C) 3 (D) 4", "answer": gold})

    assert (question.kind, question.gold) == ("choice", "C")


def test_a_letter_that_is_no_option_is_mathematics() -> None:
    """The gold of "express the area" may be the symbol C."""
    assert read({"question": "Name the constant.", "answer": "$C$"}).kind == "math"


@pytest.mark.parametrize("answer", ["", "  ", "$$", "."])
def test_empty_golds_are_excluded_with_a_reason(answer: str) -> None:
    """The paper's grader accepts nearly anything against an empty gold."""
    excluded = read_row({"question": "Why?", "answer": answer}, source="gaokao2023en", index=3)

    assert excluded == Exclusion("gaokao2023en/3", "the gold answer is empty")


@pytest.mark.parametrize("answer", [4, -1, "E", None, "AB"])
def test_a_gold_that_is_no_choice_is_excluded(answer: object) -> None:
    """An index or letter past the last option is a fault of the data, not of the model."""
    excluded = read_row(CHOICE_ROW | {"answer": answer}, source="m", index=0)

    assert excluded == Exclusion("m/0", "the gold answer names none of the choices")


def test_instructions_are_open_ended() -> None:
    """AlpacaEval's `output` is a rival's text, not a gold."""
    question = read({"instruction": "Write a poem.", "output": "Roses", "dataset": "helpful"})

    assert (question.kind, question.gold, question.text) == ("open", None, "Write a poem.")


def test_a_row_without_a_gold_field_is_an_error() -> None:
    """A misspelt field must not turn a dataset into open-ended questions."""
    with pytest.raises(InputError, match=r"row 7 of mine has a question and no answer.*'anwser'"):
        read({"question": "How many?", "anwser": "5"})
