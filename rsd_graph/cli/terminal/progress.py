"""How long work shows that it is getting on: on stderr, so that stdout stays the result."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from rsd_graph.lab.batch.answers import Tally
from rsd_graph.lab.journal import Record
from rsd_graph.providers.http.level import Level


class _Bars:
    """Bars that end with the block; none where stderr is no terminal, or if *quiet*."""

    def __init__(self, *, quiet: bool) -> None:
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=quiet or not sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._bars.disable:  # before 14.3.1 rich ended bars that nobody saw with a line
            self._bars.stop()


class EvaluationProgress(_Bars):
    """One bar for each arm: answers, accuracy or mean reward so far, and the time it will take."""

    def __init__(self, arms: Sequence[str], questions: int, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._tasks = {
            arm: self._bars.add_task(arm, total=questions, note="", start=False) for arm in arms
        }
        self._total: dict[str, float] = dict.fromkeys(arms, 0)
        self._seen = dict.fromkeys(arms, 0)

    def add(self, record: Record) -> None:
        """Count one finished answer; those of arms that are not asked for are passed over."""
        arm = record["arm"]
        if arm not in self._tasks:
            return
        reward = record.get("reward")
        self._total[arm] += bool(record["correct"]) if reward is None else reward
        self._seen[arm] += 1
        mean = self._total[arm] / self._seen[arm]
        self._bars.start_task(self._tasks[arm])
        self._bars.update(
            self._tasks[arm],
            completed=self._seen[arm],
            note=f"{mean:.1%} right" if reward is None else f"reward {mean:.2f}",
        )


class BatchProgress(_Bars):
    """One bar: answers, how many of their steps the draft wrote, and the time it will take.

    Args:
        questions: How many there are.
        tally: What is known of them; it is counted on by whoever adds records.
        levels: How many requests may be in flight at each server.
        quiet: Show nothing.
    """

    def __init__(
        self, questions: int, tally: Tally, levels: Mapping[str, Level], *, quiet: bool
    ) -> None:
        super().__init__(quiet=quiet)
        done = len(tally.answered)
        self._task = self._bars.add_task("answers", total=questions, completed=done, note="")
        self._tally, self._levels = tally, levels

    def add(self, record: Record) -> None:
        """Count one answer; a failed one adds no steps."""
        steps = self._tally.steps
        share = steps["draft"] / max(1, steps.total())
        note = f"{steps.total()} steps, {share:.0%} by the draft"
        if limits := in_flight(self._levels):
            note += f"; at most {', '.join(map(str, limits.values()))} in flight"
        self._bars.update(self._task, advance=1, note=note)


def in_flight(levels: Mapping[str, Level]) -> dict[str, int]:
    """How many requests may be in flight at each server where that is not simply its maximum."""
    return {
        name: level.limit
        for name, level in sorted(levels.items())
        if level.searches or level.limit < level.most
    }


class CopyProgress(_Bars):
    """One bar: bytes written, and the time the rest will take."""

    def __init__(self, *, quiet: bool) -> None:
        super().__init__(quiet=quiet)
        self._task = self._bars.add_task("MB", total=None, note="")

    def add(self, size: int, total: int) -> None:
        """Count *size* bytes more, of *total* in all."""
        self._bars.update(self._task, advance=size / 2**20, total=total / 2**20)
