"""Grade answers: our own verdict, and beside it the one the paper's evaluation would give.

Mathematics is compared by `math-verify`, letters by `extract_letter`. An answer is what the last
complete box holds, else what a sentence like "the answer is" states; a number that merely comes
last is not an answer. SymPy can take forever on what a model writes, so grade many answers with
`Grader`, which kills what hangs; `grade` has no time limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rsd_graph.errors import CapabilityError, InputError
from rsd_graph.lab.grading.boxed import last_boxed
from rsd_graph.lab.grading.multiple_choice import extract_letter
from rsd_graph.lab.grading.paper_grader import grade_like_paper
from rsd_graph.lab.question import Question

MATCH, MISMATCH, NO_ANSWER, TIMEOUT = "match", "mismatch", "no answer", "timeout"

_HASHES = re.compile(r"####\s*(\S.*)")
_COMPARISON_SPACE = re.compile(r"\s*([<>=])\s*")
_SET_BUILDER = re.compile(r"\\?\{\s*[a-zA-Z]\s*(?:\||\\mid|:)\s*(.*?)\\?\}")
_PERCENT = re.compile(r"(.+?)\s*\\?%")
_GROUPED = re.compile(r"(?:[a-zA-Z]=)?\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_STATED = re.compile(r"(?i:answer\**\s*(?:is|:))\**\s*:?\s*(?:\$([^$]+)\$|\\\((.+?)\\\))")
_ALL_TEXT = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s*\{(.*[\d\\].*)\}", re.DOTALL)
_TEXT = re.compile(r"\\(?:text|mathrm|mbox)\s*\{([^{}]*)\}")


@dataclass(frozen=True)
class Verdict:
    """Whether one answer is right.

    Attributes:
        correct: Our verdict.
        paper_correct: The paper's evaluation's verdict, for comparison with published tables.
        extracted: The answer as found in the text; `None` if there is none.
        reason: `"match"`, `"mismatch"`, `"no answer"`, `"timeout"`, or what broke.
    """

    correct: bool
    paper_correct: bool
    extracted: str | None
    reason: str


def grade(question: Question, answer: str) -> Verdict:
    """Grade one answer in this process, without a time limit.

    Raises:
        InputError: The question is open-ended.
        CapabilityError: math-verify or its LaTeX parser is not installed.
    """
    _math_verify()  # the paper's rules need the same parser, and must not quietly do without it
    correct, extracted, reason = grade_plainly(question, answer)
    return Verdict(correct, grade_like_paper(question, answer), extracted, reason)


def grade_plainly(question: Question, answer: str) -> tuple[bool, str | None, str]:
    """Return our verdict alone: whether it is right, the extracted answer, and the reason."""
    check_gradable(question)
    if question.kind == "choice":
        extracted = extract_letter(answer, question.choices)
        right = extracted == question.gold
    else:
        extracted = extract_math(answer)
        right = extracted is not None and math_equal(extracted, str(question.gold), question.unit)
    if extracted is None:
        return False, None, NO_ANSWER
    return right, extracted, MATCH if right else MISMATCH


def check_gradable(question: Question) -> None:
    """Refuse questions without a gold.

    Raises:
        InputError: The question is open-ended, or its gold is empty.
    """
    if question.kind == "open" or not question.gold:
        raise InputError(
            f"Question {question.id} has no gold answer to grade against.",
            expected="a question of kind math or choice",
            hint="Judge open-ended answers with an outcome reward model: --judge.",
        )


def extract_math(answer: str) -> str | None:
    r"""Return the stated answer: the last box, GSM8K's `#### 18`, or "the answer is 18"."""
    if (box := last_boxed(answer)) is not None:
        return box or None
    if hashes := _HASHES.findall(answer):
        return str(hashes[-1]).strip()
    if stated := _STATED.findall(answer):
        return "".join(stated[-1]).strip()
    library = _math_verify()
    anchored = [
        library.LatexExtractionConfig(try_extract_without_anchor=False),
        library.ExprExtractionConfig(try_extract_without_anchor=False),
    ]
    found = library.parse(answer, anchored, parsing_timeout=None)
    return str(found[-1]) if found else None  # the last item is the text that was parsed


def math_equal(found: str, gold: str, unit: str | None = None) -> bool:
    """Compare two answers in LaTeX; *unit* may follow *found*. Lists are equal in any order."""
    if _squeezed(found) == _squeezed(gold):
        return True
    left, right = _tidy(gold), _tidy(_without_unit(found, unit))
    name = re.match("[a-zA-Z]=", left)
    if name and right.startswith(name[0]):  # math-verify holds N=n and N=n+1 to be the same
        left, right = left[2:], right[2:]
    return bool(
        _math_verify().verify(
            _parsed(left), _parsed(right), allow_set_relation_comp=True, timeout_seconds=None
        )
    )


@lru_cache(maxsize=4096)
def _parsed(latex: str) -> list[object]:
    """Parse with math-verify; a percentage may mean the number before the sign or a hundredth."""
    library = _math_verify()
    config = [library.LatexExtractionConfig()]
    percent = _PERCENT.fullmatch(latex)
    readings = [percent[1], rf"\frac{{{percent[1]}}}{{100}}"] if percent else [latex]
    return [
        item
        for text in readings
        for item in library.parse(f"${text}$", config, parsing_timeout=None)
    ]


def _tidy(latex: str) -> str:
    r"""Take off "$", `\left`, `1,000`'s comma and such; turn `\{x|a<x<b\}` into `a<x<b`."""
    latex = re.sub(r"(?<!\\)\$|\\(?:left|right)(?![a-z])|\\!\s*", "", latex).strip().rstrip(".")
    latex = wrapped[1] if (wrapped := _ALL_TEXT.fullmatch(latex)) else latex
    latex = _COMPARISON_SPACE.sub(r"\1", latex)
    latex = latex.replace(",", "") if _GROUPED.fullmatch(latex) else latex
    builder = _SET_BUILDER.fullmatch(latex)
    return builder[1].strip() if builder else latex


def _without_unit(found: str, unit: str | None) -> str:
    plain, bare = _TEXT.sub(r"\1", found).rstrip("$ ."), (unit or "").strip("$ ")
    return plain.removesuffix(bare).rstrip("\\ ") if bare and plain.endswith(bare) else found


def _squeezed(text: str) -> str:
    return re.sub(r"(?<!\\)[\s$]", "", _TEXT.sub(r"\1", text)).rstrip(".").casefold()


@lru_cache(maxsize=1)
def _math_verify() -> Any:
    try:
        import math_verify
        from math_verify import grader, parser
        from sympy.parsing.latex import parse_latex

        parse_latex("1")
    except ImportError as exc:
        raise CapabilityError(
            f"Grading mathematics needs math-verify with the ANTLR 4.11 runtime: {exc}",
            hint="Install both with: pip install 'rsd-graph[eval]'",
        ) from exc
    # Its time limits are alarm signals, which work only in a main thread; ours kill the process.
    # Running without them is on purpose, so mark its one-time warning as given.
    parser.TIMEOUT_WARNING_SHOWN = grader.TIMEOUT_WARNING_SHOWN = True
    return math_verify
