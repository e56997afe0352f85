"""Turn one row of a public dataset into a question, whatever its shape.

The shape decides, not the name of the dataset, so a user's own file works like a known one:

    choices + answer (index or letter)       multiple choice: GPQA, MMLU
    Correct Answer, Incorrect Answer 1..3    GPQA as published on the hub
    final_answer (list), unit                OlympiadBench
    answer with "####"                       GSM8K
    answer, or a boxed answer in solution    everything else with a gold
    instruction or prompt, no gold           open-ended: AlpacaEval

`read_prompt` takes any of them as open-ended instead, and `read_any` those without a usable gold.

Golds are cleaned of "$" and leftovers of their source, never changed in meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rsd_graph.errors import InputError
from rsd_graph.lab.grading.boxed import last_boxed
from rsd_graph.lab.grading.paper_answer import extract
from rsd_graph.lab.question import LETTERS, Exclusion, Question
from rsd_graph.plugins import nearest

Row = Mapping[str, Any]

PROMPT = "prompt"
"""The field of what is nothing but a prompt."""
_QUESTION_FIELDS = ("question", "problem", "Question", "Problem")
_OPEN_FIELDS = ("instruction", PROMPT)
QUESTIONS = (*_QUESTION_FIELDS, *_OPEN_FIELDS)
"""Fields that can hold a question."""
_GOLD_FIELDS = ("answer", "Answer", "gold", "target")
_ID_FIELDS = ("unique_id", "id", "idx", "Record ID")
_SUBJECT_FIELDS = ("subject", "subfield", "type", "High-level domain")
_WRONG_FIELDS = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
_LETTER = re.compile(r"\(?(?:\\text(?:bf)?\{)?\(?([A-HJK])\)?\}?\)?\.?")
_LEFTOVER = re.compile(r"(?<=\$)\s*(?:\.|solution:)?\s*$")


Read = Callable[..., Question | Exclusion]
"""How a row becomes a question: `read_row`, `read_prompt` or `read_any`."""


def read_row(row: Row, *, source: str, index: int, where: str = "") -> Question | Exclusion:
    """Convert *row*, the *index*-th of *source*; a row without a usable gold is excluded.

    Args:
        row: What the source says.
        source: Name of the dataset; ids begin with it.
        index: Counts from 0; the id of a row that has none.
        where: The place of the row for people, named in errors: `line 3 of mine.jsonl`.

    Raises:
        InputError: The row has no question, or no field that could hold a gold.
    """
    where = where or f"row {index} of {source}"
    identity = f"{source}/{_first(row, _ID_FIELDS, index)}"
    text = _text(row, (*_QUESTION_FIELDS, *_OPEN_FIELDS), where)
    if row.get("choices") or "Correct Answer" in row:
        return _multiple_choice(row, text, identity, source, where)
    if _first(row, _QUESTION_FIELDS) is None:
        return Question(identity, text, None, "open", source=source)
    gold = _raw_gold(row)
    if gold is None:
        raise InputError(
            f"{where} has a question and no answer, but {_named(row)}.",
            expected="answer, final_answer or a boxed solution",
            hint=_meant(row, _GOLD_FIELDS)
            or "Rename the fields, or use instruction for open-ended questions without a gold.",
        )
    return _graded(row, identity, source, text, gold)


def row_id(row: Row) -> object:
    """The id that the row itself states; `None` if it has none."""
    return _first(row, (*_ID_FIELDS, "custom_id"))


def read_prompt(row: Row, *, source: str, index: int, where: str = "") -> Question:
    """Convert *row* to an open-ended question, whatever gold or reference answer it may have.

    Raises:
        InputError: The row has no question.
    """
    text = _text(row, (*_OPEN_FIELDS, *_QUESTION_FIELDS), where or f"row {index} of {source}")
    subject = _first(row, ("dataset", *_SUBJECT_FIELDS))  # AlpacaEval says where each comes from
    identity = f"{source}/{_first(row, _ID_FIELDS, index)}"
    return Question(identity, text, None, "open", subject=subject, source=source)


def read_any(row: Row, *, source: str, index: int, where: str = "") -> Question:
    """Convert *row* to a question with its gold, or to an open-ended one if it has no usable gold.

    Raises:
        InputError: The row has no question.
    """
    if row.get("choices") or "Correct Answer" in row or _raw_gold(row) is not None:
        found = read_row(row, source=source, index=index, where=where)
        if isinstance(found, Question):
            return found
    return read_prompt(row, source=source, index=index, where=where)


def _text(row: Row, fields: Sequence[str], where: str) -> str:
    """The question in words."""
    text = _first(row, fields)
    if text is None:
        raise InputError(
            f"{where} has no question, but {_named(row)}.",
            expected="instruction, prompt, question or problem",
            hint=_meant(row, QUESTIONS),
        )
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where} has a question that is no text, or an empty one.")
    return text.strip()


def _named(row: Row) -> str:
    return f"the fields {sorted(map(str, row))}"


def _meant(row: Row, fields: Sequence[str]) -> str | None:
    """Which of the *fields* the row may have tried to name."""
    near = ((name, nearest(str(name), fields)) for name in row)
    return next((f"Did you mean {field!r} by {name!r}?" for name, field in near if field), None)


def clean_gold(gold: str) -> str:
    r"""Strip "$" signs and source leftovers: `$221,$8$` is `221,8`, `$145$solution:` is `145`."""
    return re.sub(r"(?<!\\)\$", "", _LEFTOVER.sub("", gold.strip())).strip()


def letter_gold(gold: str, text: str) -> str | None:
    r"""Return the letter if *gold* is one (`C`, `\text{(C)}`) and *text* shows that option."""
    match = _LETTER.fullmatch(gold)
    return match[1] if match and f"({match[1]})" in text else None


def _graded(row: Row, identity: str, source: str, text: str, raw: str) -> Question | Exclusion:
    gold = clean_gold(raw)
    if not gold.strip("."):
        return Exclusion(identity, "the gold answer is empty")
    letter = letter_gold(gold, text)
    return Question(
        identity,
        text,
        letter or gold,
        "choice" if letter else "math",
        level=_level(row),
        subject=_first(row, _SUBJECT_FIELDS),
        source=source,
        unit=row.get("unit"),
        paper_gold=_paper_gold(row, source, raw),
    )


def _multiple_choice(
    row: Row, question: str, identity: str, source: str, where: str
) -> Question | Exclusion:
    if isinstance(row.get("choices"), str):
        raise InputError(f"{where} has choices that are one text.", expected="a list of texts")
    choices, letter = _options(row, question)
    if letter is None:
        return Exclusion(identity, "the gold answer names none of the choices")
    # The wording of the paper's evaluation, options in the order of the dataset.
    options = " ".join(f"({name}) {choice}" for name, choice in zip(LETTERS, choices, strict=False))
    return Question(
        identity,
        f"{question}\nAnswer Choices: {options}",
        letter,
        "choice",
        level=_level(row),
        subject=_first(row, _SUBJECT_FIELDS),
        source=source,
        choices=choices,
    )


def _options(row: Row, question: str) -> tuple[tuple[str, ...], str | None]:
    """Return fresh option texts (the row is never touched) and the letter of the right one."""
    if "Correct Answer" in row:
        right = str(row["Correct Answer"]).strip()
        choices = _fixed_order(question, [right, *(str(row[f]).strip() for f in _WRONG_FIELDS)])
        return choices, LETTERS[choices.index(right)]
    choices = tuple(str(choice).strip() for choice in row["choices"])
    return choices, _letter_of(row.get("answer"), choices)


def _letter_of(answer: object, choices: Sequence[str]) -> str | None:
    letters = LETTERS[: len(choices)]
    if isinstance(answer, int):
        return letters[answer] if 0 <= answer < len(letters) else None
    text = str(answer or "").strip()
    return text if len(text) == 1 and text in letters else None


def _fixed_order(question: str, choices: Sequence[str]) -> tuple[str, ...]:
    """Order options by a hash, the same in every run; published rows put the right one first."""
    return tuple(
        sorted(choices, key=lambda c: hashlib.sha256(f"{question}\n{c}".encode()).digest())
    )


def _raw_gold(row: Row) -> str | None:
    """Return the gold as the source wrote it, or `None` if the row has no place for one."""
    if "final_answer" in row:
        answers = row["final_answer"]
        return answers if isinstance(answers, str) else ", ".join(map(str, answers or ()))
    gold = _first(row, _GOLD_FIELDS)
    if gold is None:
        return last_boxed(str(row.get("solution", "")))
    if isinstance(gold, float) and gold.is_integer():
        gold = int(gold)  # AMC23 writes 27.0 for 27
    text = str(gold)
    return text.rsplit("####", 1)[1].strip().replace(",", "") if "####" in text else text


def _paper_gold(row: Row, source: str, raw: str) -> str:
    """Return what the official evaluation takes as gold, before its own normalisation."""
    if source == "math500":
        return extract(str(row.get("solution", ""))) or raw  # from the worked solution, and twice
    return raw.strip("$") if "final_answer" in row else raw.replace("$", "").strip()


def _level(row: Row) -> int | None:
    digits = re.search(r"\d+", str(row.get("level", "")))
    return int(digits[0]) if digits else None


def _first(row: Row, fields: Sequence[str], default: object = None) -> Any:
    return next((row[field] for field in fields if row.get(field) is not None), default)
