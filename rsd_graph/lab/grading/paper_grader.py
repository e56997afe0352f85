"""Judge an answer as the paper's evaluation would, so that accuracies compare with its tables.

The rules are those of `grader.py` in BaohaoLiao/RSD at 933d8e5, written anew. Faults kept on
purpose: a number counts as right if it is 100 times or a hundredth of the gold, or within 1e-4 of
it; letter case is ignored; brackets of an interval are ignored; of two comma lists only the first
members may be compared; an emptied gold accepts almost anything. Timeouts are the caller's: the
official limit is 3 seconds, after which the answer is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import isclose
from typing import Any

from rsd_graph.lab.grading.paper_answer import (
    CHOICES,
    extract,
    extract_choice,
    lone_letters,
    normalise,
)
from rsd_graph.lab.question import Question

OFFICIAL_TIMEOUT_S = 3.0

_MATRIX = re.compile(r"\\begin\{[pb]matrix\}(.*)\\end\{[pb]matrix\}", re.DOTALL)
# What may reach SymPy's own parser, which evaluates Python: numbers, one-letter names, operators.
_ARITHMETIC = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+|\b[a-zA-Z]\b|[-+*/()\s])+")


def grade_like_paper(question: Question, answer: str) -> bool:
    """Return the official verdict on *answer*; `False` for a question without a gold."""
    if question.gold is None:
        return False
    gold = normalise(question.paper_gold or question.gold)
    return paper_equal(_prediction(question, answer, gold), gold)


def _prediction(question: Question, answer: str, gold: str) -> str:
    found = normalise(extract_choice(answer)) if question.choices else extract(answer)
    if gold in CHOICES and found not in CHOICES:
        return extract_choice(answer)
    if CHOICES.issuperset(gold) and not CHOICES.issuperset(found):  # an empty gold is a superset's
        return "".join(letter for letter in found if letter in CHOICES)
    return found


def paper_equal(found: str, gold: str) -> bool:
    """Compare two normalised answers by the official rules."""
    if found.strip().lower() == gold.strip().lower():
        return True
    if gold in CHOICES and lone_letters(found)[-1:] == [gold]:
        return True
    numbers = _number(found), _number(gold)
    if numbers[0] is not None and numbers[1] is not None:
        return any(_close(numbers[0], numbers[1] * factor) for factor in (0.01, 1, 100))
    if not found:
        return False
    found, gold = found.strip(), gold.strip()
    return (
        _same_without_brackets(found, gold)
        or _same_members(found, gold)
        or _same_matrix(found, gold)
        or _same_equation(found, gold)
        or _same_value(found, gold)
    )


def _number(text: str) -> float | None:
    text = text.replace(",", "")
    try:
        return float(text)
    except ValueError:
        return None  # normalising has already removed percent signs


def _close(a: float, b: float) -> bool:
    return isclose(a, b, rel_tol=1e-4)


def _same_without_brackets(found: str, gold: str) -> bool:
    ends = found[0] + found[-1]
    if (ends == "[]" and gold[:1] != "(") or (ends == "()" and gold[:1] != "["):
        found, gold = found.strip("[]()"), gold.strip("[]()")
    drop = str.maketrans("", "", "{}()")
    return found.translate(drop).lower() == gold.translate(drop).lower()


def _same_members(found: str, gold: str) -> bool:
    r"""Compare `(a, b)` and `[c, d]` member by member, whatever the brackets."""
    if not all(re.match(r"[(\[].+[)\]]", text) for text in (found, gold)):
        return False
    return _all_equal(found[1:-1].split(","), gold[1:-1].split(","))


def _same_matrix(found: str, gold: str) -> bool:
    if "pmatrix" in found and "pmatrix" not in gold:
        rows = re.findall(r"\{.*,.*\}", gold)  # {1,2} is read as a column
        gold = ", ".join(
            rf"\begin{{pmatrix}}{row.strip('{}').replace(',', chr(92))}\end{{pmatrix}}"
            for row in rows
        )
    matrices = _MATRIX.fullmatch(found), _MATRIX.fullmatch(gold)
    if matrices[0] is None or matrices[1] is None:
        return False
    a, b = ([row for row in m[1].split("\\\\") if row.strip()] for m in matrices if m)
    return len(a) == len(b) and all(
        _all_equal(x.strip().split("&"), y.strip().split("&")) for x, y in zip(a, b, strict=True)
    )


def _all_equal(found: list[str], gold: list[str]) -> bool:
    return len(found) == len(gold) and all(map(paper_equal, found, gold))


def _same_equation(found: str, gold: str) -> bool:
    """Compare equations by the difference of their sides; `k=3` also equals `3`."""
    sides = found.split("="), gold.split("=")
    match len(sides[0]), len(sides[1]):
        case 2, 2:
            a, b = (f"{left.strip()} - ({right.strip()})" for left, right in sides)
            return _same_value(a, b) or _same_value(f"-({a})", b)
        case 2, 1:
            return len(sides[0][0].strip()) <= 2 and paper_equal(sides[0][1], gold)
        case 1, 2:
            return len(sides[1][0].strip()) <= 2 and paper_equal(found, sides[1][1])
    return False


def _same_value(found: str, gold: str) -> bool:
    a, b = _parse(found), _parse(gold)
    tests: tuple[Callable[[Any, Any], bool], ...] = (
        lambda a, b: str(a) == str(b) or bool(a == b),
        _same_symbols,
        lambda a, b: bool(abs(a.lhs - a.rhs).equals(abs(b.lhs - b.rhs))),
        lambda a, b: _close(float(a.evalf()), float(b.evalf())),
        lambda a, b: bool(_rounded(a).equals(_rounded(b))),
    )
    return any(_holds(test, a, b) for test in tests)


def _same_symbols(a: Any, b: Any) -> bool:
    from sympy import simplify

    return bool(a.equals(b)) or bool(simplify(a - b) == 0)


def _rounded(matrix: Any) -> Any:
    return matrix.applyfunc(lambda entry: round(entry, 3))


def _holds(test: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    """Try *test*; most do not apply to most pairs, and then SymPy raises whatever it likes."""
    try:
        return test(a, b)
    except Exception:
        return False


def _parse(text: str) -> Any:
    """Parse with the first parser that can, in the official order; else keep the text itself."""
    from latex2sympy2_extended import latex2sympy
    from sympy import parse_expr
    from sympy.parsing.latex import parse_latex

    parsers = [parse_latex, latex2sympy]
    if _ARITHMETIC.fullmatch(text):
        parsers.insert(1, parse_expr)
    for parser in parsers:
        for spelling in (text.replace("\\\\", "\\"), text):
            try:
                return parser(spelling)
            except Exception:  # each parser raises errors of its own
                continue
    return text
