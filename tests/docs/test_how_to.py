"""The how-to pages run: their Python blocks, in order, on the shipped models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize(
    "page",
    [
        "chat-model.md",
        "compose-and-serve.md",
        "inside-chains-and-graphs.md",
        "many-answers.md",
        "own-acceptance-rule.md",
        "own-prm.md",
        "own-provider.md",
        "resume-and-rewind.md",
        "stream-from-the-graph.md",
        "tools-and-structured-output.md",
    ],
)
def test_the_python_blocks_of_a_page_run(page: str) -> None:
    """A reader who copies one block after the other gets no error."""
    text = (PAGES / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)

    exec(compile("\n".join(blocks), page, "exec"), {"__name__": page})

    assert blocks
