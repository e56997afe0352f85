"""What answers are like, in steps and tokens, measured from ledgers: what `rsd-graph plan` asks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import reduce
from pathlib import Path
from typing import Any

from rsd_graph.answer.ledger import Ledger, add, empty_ledger, settled_tokens, stored_ledger
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.statistics import Estimate, wilson_interval


@dataclass(frozen=True, slots=True)
class StepStatistics:
    """Means over answers that were written step by step.

    Attributes:
        answers: How many.
        steps: Of an answer.
        step_tokens: Of a step.
        question_tokens: Of a question as the draft reads it, estimated from all its prompts.
        decided: Drafted steps that were accepted or rejected, in all.
        rejected: How many of those were rejected.
    """

    answers: int
    steps: float
    step_tokens: float
    question_tokens: float
    decided: int
    rejected: int

    @property
    def rejected_share(self) -> Estimate:
        """Share of the drafted steps that were rejected, with its 95 % interval."""
        return wilson_interval(self.rejected, self.decided)


def step_statistics(ledgers: Iterable[Ledger]) -> StepStatistics | None:
    """The statistics of *ledgers*; `None` if none of them is of an answer in steps."""
    found = [ledger for ledger in ledgers if ledger["draft"]["calls"] and _decided(ledger)]
    if not found:
        return None
    total = reduce(add, found, empty_ledger())
    answers, decided, tokens = len(found), _decided(total), settled_tokens(total)
    before = sum(settled_tokens(one) * (_decided(one) - 1) / 2 for one in found)
    prompt = total["draft"]["prompt_tokens"] / total["draft"]["calls"]
    return StepStatistics(
        answers=answers,
        steps=decided / answers,
        step_tokens=tokens / decided,
        question_tokens=max(1.0, prompt - before / decided),
        decided=decided,
        rejected=total["target_steps"],
    )


def _decided(ledger: Ledger) -> int:
    return ledger["accepted_steps"] + ledger["target_steps"]


def read_step_statistics(path: Path) -> StepStatistics:
    """What a file of `calibrate`, or the answers of `eval --journal` or `batch`, say of steps.

    Raises:
        ConfigurationError: It cannot be read, holds the answers of several ways to run RSD, or of
            none.
    """
    try:
        text = path.read_text(encoding="utf-8")
        rows = _objects(text)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}.") from error
    steps = rows[0].get("steps") if len(rows) == 1 else None
    if isinstance(steps, dict) and steps.keys() == {field.name for field in fields(StepStatistics)}:
        return StepStatistics(**steps)
    found = step_statistics(_ledgers_of_rsd(path, rows))
    if found is None:
        raise ConfigurationError(
            f"{path} says nothing about the steps of RSD.",
            expected="a file of calibrate, or the answers of eval --journal or of batch",
        )
    return found


def _objects(text: str) -> list[dict[str, object]]:
    """One JSON object, or one a line."""
    try:
        found = [json.loads(text)]
    except ValueError:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [row for row in found if isinstance(row, dict)]


def _ledgers_of_rsd(path: Path, rows: Iterable[dict[str, Any]]) -> list[Ledger]:
    arms: dict[str, list[Ledger]] = {}
    for row in rows:
        if str(row.get("arm")).lower().startswith("rsd") and row.get("ledger"):
            arms.setdefault(row["arm"], []).append(stored_ledger(row["ledger"]))
    if len(arms) > 1:
        raise ConfigurationError(
            f"{path} holds the answers of {', '.join(arms)}.",
            expected="one way to run RSD",
            hint="Give each a journal of its own.",
        )
    return [ledger for ledgers in arms.values() for ledger in ledgers]
