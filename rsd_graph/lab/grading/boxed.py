r"""Find the last complete `\boxed{...}` of an answer."""

from __future__ import annotations

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\.|[{}]", re.DOTALL)  # whatever follows a backslash is escaped


def last_boxed(text: str) -> str | None:
    r"""Return what the last complete `\boxed{}` or `\fbox{}` holds, or `None`.

    A box that never closes belongs to a truncated answer and is passed over.
    """
    boxes = {match.end() for match in _BOX.finditer(text)}
    last, end, opened = -1, -1, list[int]()
    for brace in _BRACE.finditer(text):
        if brace.group() == "{":
            opened.append(brace.end())
        elif brace.group() == "}" and opened and (start := opened.pop()) in boxes and start > last:
            last, end = start, brace.start()
    return text[last:end].strip() if end >= 0 else None
