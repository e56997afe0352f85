"""Let the paper's own code judge the cases of `benchmarks.grading`; see there how to call it.

Needs a checkout of BaohaoLiao/RSD (read at 933d8e5) and, in an environment of its own, sympy 1.12,
antlr4-python3-runtime 4.11.1, word2number, regex, pebble, tqdm and numpy. Nothing of rsd_graph is
imported, and nothing of that code is part of this repository.
"""

from __future__ import annotations

import copy
import importlib
import json
import sys
import types
from concurrent.futures import TimeoutError as Overtime
from pathlib import Path
from typing import Any

LIMIT_S = 30
LETTERS = {"A", "B", "C", "D", "E"}


def load(checkout: Path) -> tuple[Any, Any]:
    """Import the official parser and grader without what only its model code needs."""
    for name in ("torch", "transformers", "vllm", "timeout_decorator", "datasets"):
        sys.modules.setdefault(name, types.ModuleType(name))
    package = types.ModuleType("official")
    package.__path__ = [str(checkout / "external" / "qwen25_math_evaluation")]
    sys.modules["official"] = package
    modules = (importlib.import_module(f"official.{name}") for name in ("parser", "grader"))
    parser, grader = modules
    return parser, grader


def verdict(checkout: str, source: str, row: dict[str, Any], answer: str) -> bool:
    """Do what main_online.py and evaluate.py do with one answer."""
    parser, grader = load(Path(checkout))
    gold = parser.parse_ground_truth(copy.deepcopy(row), source)[1]
    found = parser.run_execute(None, answer, "cot", source)[0]
    if gold in LETTERS and found not in LETTERS:
        found = parser.choice_answer_clean(answer)
    elif LETTERS.issuperset(gold) and not LETTERS.issuperset(found):
        found = "".join(char for char in found if char in LETTERS)
    return bool(grader.math_equal(found, gold))


def main() -> None:
    """Judge every case; the limit is wider than the official 3 s, which a busy machine exceeds."""
    from pebble import ProcessPool

    checkout, cases, out = sys.argv[1:]
    with ProcessPool(max_workers=2, initializer=load, initargs=(Path(checkout),)) as pool:
        futures = [
            pool.schedule(verdict, (checkout, *case), timeout=LIMIT_S)
            for case in json.loads(Path(cases).read_text(encoding="utf-8"))
        ]
        verdicts = []
        for future in futures:
            try:
                verdicts.append(future.result())
            except Overtime:
                verdicts.append(False)
    Path(out).write_text(json.dumps(verdicts), encoding="utf-8")


if __name__ == "__main__":
    main()
