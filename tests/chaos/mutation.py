"""The page of `make mutate`: python -m tests.chaos.mutation, where `mutmut run` has been run.

It counts by module, and shows each mutant that no test noticed, with what was changed and why that
is no gap, as far as anybody has said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.chaos.report import RESULTS

PAGE = RESULTS / "mutation.md"
_SURVIVED = 0
_UNTESTED = (5, 33)

REASONS: dict[str, str] = {}
"""Of survivors that are no gap: a part of the changed line -> why."""

_HEAD = """\
# Mutation testing

Written by `make mutate`: each mutant is one small change of the code, and a test should notice it.
[Promises](../../docs/promises.md) says what else is tested, and how.

| module | mutants | killed | survived | no test runs it | not tried |
|---|---|---|---|---|---|
"""


def main(folder: Path = Path("mutants")) -> int:
    """Write the page from what `mutmut` left in *folder*."""
    rows, survivors = [], list[str]()
    for meta in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if not codes:
            continue
        counts = Counter(map(_kind, codes.values()))
        module = meta.relative_to(folder).with_suffix("")
        kinds = ("killed", "survived", "untested", "untried")
        cells = " | ".join(str(counts[kind]) for kind in kinds)
        rows.append(f"| `{module}` | {len(codes)} | {cells} |")
        survivors += [name for name, code in codes.items() if code == _SURVIVED]
    told = "\n".join(map(_told, survivors)) or "None."
    text = _HEAD + "\n".join(rows) + f"\n\n## Survivors\n\n{told}\n"
    PAGE.write_text(text, encoding="utf-8")
    return 0


def _kind(code: int | None) -> str:
    if code is None:
        return "untried"
    if code == _SURVIVED:
        return "survived"
    return "untested" if code in _UNTESTED else "killed"


def _told(name: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", name], capture_output=True, text=True, check=True
    )
    lines = shown.stdout.splitlines()
    changed = [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    reasons = [why for part, why in REASONS.items() if part in "\n".join(changed)]
    block = "\n".join(f"    {line}" for line in changed)
    return f"- `{name}`: {reasons[0] if reasons else 'a gap.'}\n\n{block}\n"


if __name__ == "__main__":
    sys.exit(main())
