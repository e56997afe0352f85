r"""Find the last complete `\boxed{...}` of an answer."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)
"""A brace, or whatever is escaped."""


def last_boxed(text: str) -> str | None:
    r"""Return what the last complete `\boxed{}` or `\fbox{}` holds, or `None`.

    A box that never closes belongs to a truncated answer and is passed over. One pass: time grows
    with the length of *text*, however many boxes it opens.
    """
    boxes = {match.end() for match in _BOX.finditer(text)}
    unclosed: list[int] = []
    last = (-1, -1)
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            unclosed.append(brace.end())
        elif brace[0] == "}" and unclosed and (start := unclosed.pop()) in boxes:
            last = max(last, (start, brace.start()))
    return text[slice(*last)].strip() if last[0] >= 0 else None
