"""The page of `make mutate`: python -m tests.chaos.mutation, where `mutmut run` has been run.

It counts by module, and names each mutant that no test noticed.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from tests.chaos.report import RESULTS

PAGE = RESULTS / "mutation.md"
_SURVIVED = 0
_UNTESTED = (5, 33)

_HEAD = """\
# Mutation testing

Written by `make mutate`: each mutant is one small change of the code, and a test should notice it.
[Promises](../../docs/promises.md) says what else is tested, and how.

| module | mutants | killed | survived | no test runs it | not tried |
|---|---|---|---|---|---|
"""

_SURVIVORS = """

## Survivors

`mutmut show NAME` shows what was changed.
Nobody has looked yet which of them change nothing that can be seen, and which are gaps.

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
    told = "\n".join(f"- `{name}`" for name in survivors) or "None."
    text = _HEAD + "\n".join(rows) + _SURVIVORS + told + "\n"
    PAGE.write_text(text, encoding="utf-8")
    return 0


def _kind(code: int | None) -> str:
    if code is None:
        return "untried"
    if code == _SURVIVED:
        return "survived"
    return "untested" if code in _UNTESTED else "killed"


if __name__ == "__main__":
    sys.exit(main())
