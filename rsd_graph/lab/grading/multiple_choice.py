r"""Read the chosen letter out of an answer: the box first, then a plain statement, never a guess.

A lone letter in running text is not an answer: in "a prime" it is an article, in `E=mc^2` physics.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from rsd_graph.lab.grading.boxed import last_boxed
from rsd_graph.lab.question import LETTERS

_WRAPPER = re.compile(r"\\(?:text(?:bf|rm|it)?|math(?:rm|bf)|operatorname)\s*\{([^{}]*)\}")
_STATED = (
    r"(?i:(?:answer|option|choice)\**\s*(?:is|:)\**\s*:?\s*(?:(?:the\s+)?(?:option|choice)\s+)?)"
    r"[\s*$({{\[]*([{letters}])(?![\w'-])"
)


def extract_letter(text: str, choices: Sequence[str] = ()) -> str | None:
    r"""Return the letter *text* chooses, or `None` if it chooses none, or several at once.

    Args:
        text: A whole answer. Understood: `\boxed{B}`, `\boxed{(B)}`, `\boxed{\text{B}}`,
            `\boxed{\textbf{(B)} 42}`, "the answer is (B)", "Answer: **B**", "correct option is B".
        choices: The options' texts, if known. A box that repeats exactly one of them chooses it,
            and letters past the last option are not letters.
    """
    letters = LETTERS[: len(choices)] if choices else LETTERS
    box = last_boxed(text)
    if box is not None and (letter := _boxed_letter(box, letters) or _by_content(box, choices)):
        return letter
    stated = re.findall(_STATED.format(letters=letters), _plain(text))
    return stated[-1] if stated else None


def _boxed_letter(box: str, letters: str) -> str | None:
    content = re.sub(r"\\(?:left|right)(?![a-z])", "", _plain(box)).strip(" $.*{}")
    letter = content.strip(" ()[]{}*").upper()
    if len(letter) == 1:
        return letter if letter in letters else None
    # "(B) 42", "B) 42", "B. 42" and "B: 42" repeat the option after its letter.
    match = re.match(rf"(?:\(([{letters}])\)|([{letters}])[).:])(.*)", content, re.DOTALL)
    if match is None or re.search(rf"\([{letters}]\)", match[3]):
        return None
    return match[1] or match[2]


def _by_content(box: str, choices: Sequence[str]) -> str | None:
    matches = [i for i, choice in enumerate(choices) if _squeezed(choice) == _squeezed(box)]
    return LETTERS[matches[0]] if len(matches) == 1 else None


def _plain(text: str) -> str:
    """Take off text-style commands, from the inside out."""
    previous = None
    while text != previous:
        previous, text = text, _WRAPPER.sub(r"\1", text)
    return text


def _squeezed(text: str) -> str:
    return re.sub(r"[\s$]|\\[ ,!]", "", _plain(text)).rstrip(".").casefold()
