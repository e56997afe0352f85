"""How an evaluation shows that it is getting on: on stderr, so that stdout stays the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class EvaluationProgress:
    """One bar for each arm: answers, accuracy so far, and the time it will take.

    Nothing is shown where stderr is no terminal, or if *quiet*.
    """

    def __init__(self, arms: Sequence[str], questions: int, *, quiet: bool) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[accuracy]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        )
        self._tasks = {
            arm: self._bars.add_task(arm, total=questions, accuracy="", start=False) for arm in arms
        }
        self._right = dict.fromkeys(arms, 0)
        self._seen = dict.fromkeys(arms, 0)

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def add(self, record: dict[str, Any]) -> None:
        """Count one finished answer; those of arms that are not asked for are passed over."""
        arm = record["arm"]
        if arm not in self._tasks:
            return
        self._right[arm] += bool(record["correct"])
        self._seen[arm] += 1
        self._bars.start_task(self._tasks[arm])
        self._bars.update(
            self._tasks[arm],
            completed=self._seen[arm],
            accuracy=f"{self._right[arm] / self._seen[arm]:.1%} right",
        )
