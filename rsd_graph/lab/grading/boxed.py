r"""Find the last complete `\boxed{...}` of an answer."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")


def last_boxed(text: str) -> str | None:
    r"""Return what the last complete `\boxed{}` or `\fbox{}` holds, or `None`.

    A box that never closes belongs to a truncated answer and is passed over.
    """
    for start in reversed([match.end() for match in _BOX.finditer(text)]):
        end = _closing_brace(text, start)
        if end is not None:
            return text[start:end].strip()
    return None


def _closing_brace(text: str, start: int) -> int | None:
    depth, position = 1, start
    while position < len(text):
        if text[position] == "\\":
            position += 1  # whatever follows is escaped
        elif text[position] in "{}":
            depth += 1 if text[position] == "{" else -1
            if depth == 0:
                return position
        position += 1
    return None
