"""The page of `make mutate`: python -m tests.chaos.mutation, where `mutmut run` has been run.

It counts by module, and says of each mutant that no test noticed why it cannot be, as
`equivalent_mutants.toml` explains it, or that nobody knows. A reason belongs to a change of a
function, not to a mutant's number, which any edit of that function moves.
"""

from __future__ import annotations

import difflib
import json
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.report import RESULTS

PAGE = RESULTS / "mutation.md"
REASONS = Path(__file__).with_name("equivalent_mutants.toml")

_KILLED, _TIMED_OUT, _SURVIVED, _UNTESTED = (1, 3), (36, -24, 24, 152, 255), (0,), (5, 33)
_KINDS = ("killed", "timed out", "survived", "untested", "untried")

_HEAD = """\
# Mutation testing

Written by `make mutate`: each mutant is one small change of the code, and a test should notice it.
[Promises](../../docs/promises.md) says what else is tested, and how.
The tests are the quick ones that `[tool.mutmut]` in `pyproject.toml` names.
A mutant that never ends is noticed too: it is counted as timed out.
Left alone is what stands outside functions, and what is decorated.

| module | mutants | killed | timed out | survived | explained | no test runs it | not tried |
|---|---|---|---|---|---|---|---|
"""

_EXPLAINED = """

## Survivors that nobody can see

Each change of these functions survived, and why it must.

"""

_UNEXPLAINED = """

## Survivors that nobody has explained

`mutmut show NAME` shows what was changed.

"""

_STALE = """

## Reasons for what no longer survives

"""


@dataclass(frozen=True)
class Mutant:
    """One changed function.

    Attributes:
        name: As `mutmut show` knows it.
        function: What was changed, by its dotted name.
        kind: What became of it.
        before: The function as it is.
        after: The function as it was changed.
    """

    name: str
    function: str
    kind: str
    before: str
    after: str

    def is_change(self, was: str, now: str) -> bool:
        """Whether all that was changed is *was*, in one place, which became *now*."""
        parts = _plain(self.before).split(_plain(was))
        both = _plain(was), _plain(now)
        changed = (
            both[0].join(parts[:place]) + both[1] + both[0].join(parts[place:])
            for place in range(1, len(parts))
        )
        return any(_plain(text) == _plain(self.after) for text in changed)

    def shown(self) -> str:
        """The changed lines."""
        before, after = self.before.splitlines(), self.after.splitlines()
        told = difflib.ndiff([*map(str.strip, before)], [*map(str.strip, after)])
        return " → ".join(f"`{line[2:]}`" for line in told if line[:2] in ("- ", "+ "))


@dataclass(frozen=True)
class Reason:
    """Why a change of a function cannot be noticed."""

    function: str
    was: str
    now: str
    why: str

    def explains(self, mutant: Mutant) -> bool:
        """Whether *mutant* is this change."""
        return mutant.function == self.function and mutant.is_change(self.was, self.now)


def mutants_in(folder: Path) -> dict[str, list[Mutant]]:
    """What `mutmut` left in *folder*, by module."""
    found = {}
    for meta in sorted(folder.rglob("*.py.meta")):
        codes = json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"]
        if codes:
            source = meta.with_suffix("")
            found[str(source.relative_to(folder))] = list(_mutants(source, codes))
    return found


def _mutants(source: Path, codes: dict[str, int | None]) -> Iterator[Mutant]:
    """All mutants of one module; next to its *source* lies where in it each function stands."""
    lines = source.read_text(encoding="utf-8").splitlines()
    index = json.loads(source.with_name(f"{source.name}.spans").read_text(encoding="utf-8"))
    for name, code in codes.items():
        module, _, changed = name.rpartition(".")
        function = changed.partition("__mutmut_")[0]
        plain = function.removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
        texts = []
        for generated in (f"{function}__mutmut_orig", changed):
            first, last = index["spans"][generated]
            text = "\n".join(lines[first - 1 : last])
            texts.append(text.replace(generated, plain.rpartition(".")[2]))
        yield Mutant(name, f"{module}.{plain}", _kind(code), *texts)


def reasons_in(file: Path) -> list[Reason]:
    """What is written there, each change of each function for itself."""
    tables = tomllib.loads(file.read_text(encoding="utf-8"))["equivalent"]
    return [
        Reason(function, was, now, table["why"])
        for table in tables
        for function in table["functions"]
        for was, now in table["changes"]
    ]


def page_of(found: dict[str, list[Mutant]], reasons: Sequence[Reason]) -> tuple[str, bool]:
    """The page, and whether every survivor is explained and every reason needed."""
    rows, unexplained, used = [], list[Mutant](), set[Reason]()
    for module, mutants in found.items():
        survivors = [mutant for mutant in mutants if mutant.kind == "survived"]
        why = {each.name: [one for one in reasons if one.explains(each)] for each in survivors}
        unexplained += [each for each in survivors if not why[each.name]]
        used |= {reason for some in why.values() for reason in some}
        explained = sum(bool(some) for some in why.values())
        rows.append(_row(f"`{module}`", mutants, explained))
    everything = [mutant for mutants in found.values() for mutant in mutants]
    total = sum(mutant.kind == "survived" for mutant in everything) - len(unexplained)
    rows.append(_row("all", everything, total))
    stale = [reason for reason in reasons if reason not in used]
    text = _HEAD + "\n".join(rows)
    text += _EXPLAINED + _listed([_told(each) for each in reasons if each in used])
    text += _UNEXPLAINED + _listed([f"- `{each.name}`: {each.shown()}" for each in unexplained])
    text += _STALE + _listed([_told(each) for each in stale])
    return text + "\n", not unexplained and not stale


def main(folder: Path = Path("mutants")) -> int:
    """Write the page; 1 if it has a survivor without a reason, or a reason without a survivor."""
    text, is_complete = page_of(mutants_in(folder), reasons_in(REASONS))
    PAGE.write_text(text, encoding="utf-8")
    return 0 if is_complete else 1


def _row(name: str, mutants: Sequence[Mutant], explained: int) -> str:
    counts = Counter(mutant.kind for mutant in mutants)
    cells = [counts[kind] for kind in _KINDS]
    cells.insert(3, explained)
    return f"| {name} | {len(mutants)} | {' | '.join(map(str, cells))} |"


def _told(reason: Reason) -> str:
    now = f"`{reason.now}`" if reason.now else "nothing"
    return f"- `{reason.function}`: `{reason.was}` → {now}. {reason.why}"


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(lines) or "None."


def _plain(text: str) -> str:
    """*text* in one line, however it was broken."""
    return " ".join(text.split())


def _kind(code: int | None) -> str:
    for kind, codes in zip(_KINDS, (_KILLED, _TIMED_OUT, _SURVIVED, _UNTESTED), strict=False):
        if code in codes:
            return kind
    return "untried"


if __name__ == "__main__":
    sys.exit(main())
