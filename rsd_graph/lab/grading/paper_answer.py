r"""Extract and normalise an answer the way the paper's evaluation does, faults included.

The rules are those of the Qwen2.5-Math evaluation that the paper's code vendors (`parser.py` in
BaohaoLiao/RSD at 933d8e5), written anew as tables. They exist so that our numbers can be put beside
published ones; our own verdict never uses them. Faults kept on purpose: unit words are deleted
wherever they stand alone, so that a gold can become empty; the last number of a text without an
answer is taken for one; a lone letter anywhere counts as a choice.
"""

from __future__ import annotations

import re

CHOICES = frozenset("ABCDE")

# Sets of rules are spelled as data: one string of words is easier to compare with the original.
_UNITS = (
    "east,degree,mph,kmph,ft,m sqaure, m east,sq m,deg,mile,q .,monkey,prime,ratio,profit of rs,"
    "rd,o,gm,p . m,lb,tile,per,dm,lt,gain,ab,way,west,a .,b .,c .,d .,e .,f .,g .,h .,t,a,h,"
    "no change,men,soldier,pie,bc,excess,st,inches,noon,percent,by,gal,kmh,c,acre,rise,a . m,th,"
    "π r 2,sq,mark,l,toy,coin,sq . m,gallon,° f,profit,minw,yr,women,feet,am,pm,hr,cu cm,square,"
    "are,rupee,rounds,cubic,cc,mtr,s,ohm,number,day,hour,minute,min,second,man,woman,sec,cube,mt,"
    "sq inch,mp,∏ cm ³,hectare,more,unit,cu . m,cm 2,rs .,rs,kg,g,month,km,m,cm,mm,apple,liter,"
    "loss,yard,pure,year,increase,decrease,d,less,Surface,litre,pi sq m,s .,metre,meter,inch"
)
_UNIT_WORDS = tuple(
    re.compile(rf"(^|\W){unit}{plural}($|\W)") for plural in ("", "s") for unit in _UNITS.split(",")
)
_TEENS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_CARDINALS = {word: value for value, word in enumerate(_TEENS.split())} | {
    word: 10 * value for value, word in enumerate(_TENS.split(), start=2)
}

_LATEX: tuple[tuple[str, str], ...] = (
    (r"\n", ""),
    (r"\.+$", ""),
    (r"\\!", ""),
    (r"\\begin\{array\}\{.*?\}", r"\\begin{pmatrix}"),
    (r"\\end\{array\}", r"\\end{pmatrix}"),
    (r"bmatrix", "pmatrix"),
    (r"[td]frac", "frac"),
    (r"\\neq", r"\\ne"),
    (r"\\([lg])eq", r"\\\1e"),
    (r"\\left|\\right", ""),
    (r"\\([{}])", r"\1"),
)
_SIGNS: tuple[tuple[str, str], ...] = (
    (r"\^\{\\circ\}|\^\\circ", ""),
    (r"\\?\$", ""),
    (r"\\[()]", ""),
)
_WORDS: tuple[tuple[str, str], ...] = (
    (r"\\text\{(.*?)\}", r"\1"),
    (r"x=|y=|z=|[xyz]\\in|[xyz]\\to", ""),
    (r"\\emptyset", "{}"),
    (r"\(-\\infty,\\infty\)", r"\\mathbb{R}"),
    (r"\\?%", ""),
    (r" \.", " 0."),
    (r"\{\.", "{0."),
    (r"infinity", r"\\infty"),
)
_NUMBERS: tuple[tuple[str, str], ...] = (
    (r"and|\\mathbf", ""),
    (r"\\mbox{.*?}", ""),
    (r"(\d+)\.0*(\D|$)", r"\1\2"),
)
_SHAPES: tuple[tuple[str, str], ...] = (
    (r"\\sqrt(\w+)", r"\\sqrt{\1}"),
    (r" ", ""),
    (r"\\frac([^{])(?=\{)", r"\\frac{\1}"),
    (r"\\frac([^{])([^{])", r"\\frac{\1}{\2}"),
)
_FRACTION = re.compile(r"(0|-?[1-9]\d*|[^/]*sqrt[^/]*)/(0|-?[1-9]\d*|[^/]*sqrt[^/]*)")


def normalise(text: str) -> str:
    """Apply the official clean-up rules, in their order."""
    text = _apply(_LATEX, text.strip())
    text = re.sub(r"\\text{.*?}$", "", text).strip() or text
    for unit in 2 * _UNIT_WORDS:
        text = unit.sub(r"\1\2", text) or text
    text = _apply(_WORDS, _spelled_number(_apply(_SIGNS, text)))
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    text = _apply(_NUMBERS, text)
    if "j" in text and "i" not in text:
        text = text.replace("j", "i")
    text = "0" + text if text.startswith(".") else text
    left, equals, right = text.partition("=")
    if equals and len(left) <= 2 and "=" not in right:
        text = right
    text = _apply(_SHAPES, text)
    fraction = _FRACTION.fullmatch(text)
    return rf"\frac{{{fraction[1]}}}{{{fraction[2]}}}" if fraction else text


def extract(text: str) -> str:
    """Find the answer: the last box, else what "answer is" announces, else the last number."""
    found = re.sub(r"\n\s*", "", _announced(text))
    found = found.removeprefix(":").removesuffix(".").removesuffix("/")
    return normalise(normalise(found))  # twice, as the official pipeline does


def extract_choice(text: str) -> str:
    """Find a letter A to E: the first after "answer is" or "choice is", else the last anywhere."""
    text = text.strip("\n")
    triggers = ("choice is", "answer is")
    if any(text.count(trigger) > 1 for trigger in triggers):
        text = text.split("\n\n")[0]  # taken for a few-shot echo
    *before, tail = re.split("|".join(triggers), text)
    letters = lone_letters(tail)
    if not letters:
        return _trimmed(tail).strip().strip(".").rstrip("/")
    return letters[0] if before else letters[-1]


def lone_letters(text: str) -> list[str]:
    """Every A to E that stands alone, in either case: an article counts."""
    return re.findall(r"\b([A-E])\b", _trimmed(text).upper())


def _announced(text: str) -> str:
    if "final answer is $" in text and "$. I hope" in text:
        return text.split("final answer is $", 1)[1].split("$. I hope", 1)[0].strip()
    if "boxed" in text:
        return _box(text.rsplit("boxed", 1)[1])
    for phrase in ("he answer is", "final answer is"):
        if phrase in text:
            return text.rsplit(phrase, 1)[1].strip()
    if "答案是" in text:
        return text.split("答案是")[1].strip().split("\n\n")[0].strip()
    numbers = re.findall(r"-?\d*\.?\d+", text.replace(",", ""))
    return numbers[-1] if numbers else ""


def _box(rest: str) -> str:
    """Read what follows the word "boxed": up to its closing brace, or all if there is none."""
    if not rest.startswith("{"):
        return rest.split("$")[0].strip()
    depth = 0
    for position, char in enumerate(rest):
        depth += (char == "{") - (char == "}")
        if depth == 0:
            return rest[1:position]
    return rest[1:]


def _trimmed(text: str) -> str:
    return text.strip("\n").rstrip(".").rstrip("/").strip(" ").lstrip(":")


def _apply(rules: tuple[tuple[str, str], ...], text: str) -> str:
    for pattern, replacement in rules:
        text = re.sub(pattern, replacement, text)
    return text


def _spelled_number(text: str) -> str:
    """Turn a cardinal below one hundred into digits: `twenty-one` is `21`."""
    words = text.lower().replace("-", " ").split()
    if text.isdigit():
        return str(int(text))
    if not 1 <= len(words) <= 2 or not all(word in _CARDINALS for word in words):
        return text
    return str(sum(_CARDINALS[word] for word in words))
