"""A batch as it was asked for: its questions, who answers them, and what the answers came to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, Self

from typing_extensions import TypedDict

from rsd_graph.answer.flops import flops
from rsd_graph.answer.ledger import Ledger, acceptance_rate
from rsd_graph.answer.prices import costs
from rsd_graph.chat_models import ChatRSD
from rsd_graph.cli.terminal.progress import BatchProgress
from rsd_graph.cli.terminal.questions import note_on_scope, rereadable
from rsd_graph.cli.terminal.screen import spending
from rsd_graph.errors import CapabilityError, ConfigurationError
from rsd_graph.lab.batch.answers import Answers, Tally, set_aside_path, write_set_aside
from rsd_graph.lab.batch.budget import Budget, Reason
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.source import ReadRow, Source, read_question
from rsd_graph.lab.batch.words import asking
from rsd_graph.lab.batch.work import Ask, Open, Progress, answer_open
from rsd_graph.lab.batch.written import OPENAI
from rsd_graph.lab.experiment import Experiment
from rsd_graph.providers.http.level import watched_levels


class Totals(TypedDict):
    """Everything the answers of a file came to."""

    answers: int
    failed: int
    set_aside: int
    left: int
    """Questions that were not asked, because the budget was used up."""
    stopped: Reason | None
    first_error: str | None
    steps: int
    acceptance_rate: float | None
    ledger: Ledger
    flops: dict[str, float] | None
    cost: float | None
    cost_if_cached: NotRequired[float]
    already_answered: int
    seconds: float
    in_flight: dict[str, int]
    """How many requests may be in flight at the end, by role and server."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions, all checked, and who answers them.

    Attributes:
        llm: Who answers.
        experiment: What it was made of, and how it is asked.
        source: The questions of this shard.
        questions: How many they are.
        config: Everything that decides the answers.
        ask: Has one answered.
    """

    llm: ChatRSD
    experiment: Experiment
    source: Source
    questions: int
    config: Mapping[str, object]
    ask: Ask

    @classmethod
    def of(
        cls,
        path: Path,
        held: ExitStack,
        llm: ChatRSD,
        options: Mapping[str, object],
        name: str,
        system: str | None,
        shard: Shard,
        limit: int | None,
    ) -> Self:
        """The batch of the questions in *path*, or on standard input for `-`.

        Args:
            path: A file, or the name of a dataset.
            held: Keeps what standard input said as long as it is read.
            llm: Who answers.
            options: What it was made of.
            name: What requests in OpenAI's format call it.
            system: System prompt of every question.
            shard: Only this part.
            limit: Only the first so many rows.

        Raises:
            InputError: The questions cannot be asked; the message names the line.
            ConfigurationError: The file cannot be read.
        """
        source, rows = rereadable(path, held)
        experiment = Experiment(options, path.name, system, int(str(options.get("seed", 0))))
        first = next(iter(rows()), None)
        if first and {"custom_id", "body"} <= first.row.keys():
            read, ask = _requests(llm, name, experiment)
            asked = Source(source, rows, read, limit, shard)
            count = sum(1 for _ in asked.checked())
            config = {**experiment.identity, **OPENAI}
            return cls(llm, experiment, asked, count, config, ask)
        asked = Source(source, rows, read_question, limit, shard)
        count = note_on_scope(asked.checked(), options)
        ask = asking(llm, system, experiment.seed)
        return cls(llm, experiment, asked, count, experiment.identity, ask)

    def answered(
        self,
        path: Path,
        budget: Budget,
        concurrency: int,
        give_up_after: int | None,
        actors: int | None,
        *,
        quiet: bool,
    ) -> Totals:
        """Answer what *path* does not hold yet; the totals of all of it.

        Args:
            path: The answers.
            budget: When to stop.
            concurrency: Answers at a time.
            give_up_after: Questions that have failed so often are set aside.
            actors: How many of Ray's answer, if it does.
            quiet: Show no progress.

        Raises:
            ConfigurationError: Requests in OpenAI's format and Ray; or the answers cannot be
                written.
        """
        if actors and "requests" in self.config:
            raise ConfigurationError("Ray answers questions, not requests in OpenAI's format.")
        with Answers(path, self.config, self.source.shard, self.questions) as answers:
            tally, started = answers.tally, time.perf_counter()
            known = len(tally.answered)
            work = Open(self.source, answers, budget, give_up_after)
            with (
                watched_levels() as levels,
                BatchProgress(self.questions, tally, levels, quiet=quiet) as progress,
            ):
                self._work(work, concurrency, actors, progress.add)
            aside = write_set_aside(answers, give_up_after) if give_up_after else 0
            seconds = time.perf_counter() - started
        in_flight = {name: level.limit for name, level in levels.items()}
        return self._totals(tally, known, aside, work.stopped, seconds, in_flight)

    def _work(self, work: Open, concurrency: int, actors: int | None, progress: Progress) -> None:
        if actors is None:
            job = answer_open(work, self.ask, concurrency=concurrency, progress=progress)
            asyncio.run(job)
            return
        from rsd_graph.lab.batch.ray_data import answer_with_ray

        asked = self.experiment
        answer_with_ray(
            work,
            asked.settings,
            asked.system,
            asked.seed,
            actors=actors,
            concurrency=concurrency,
            progress=progress,
        )

    def _totals(
        self,
        tally: Tally,
        known: int,
        aside: int,
        stopped: Reason | None,
        seconds: float,
        in_flight: dict[str, int],
    ) -> Totals:
        ledger, sizes = tally.ledger, self.llm.sizes
        failed = len(tally.tries) - aside
        return {
            "answers": len(tally.answered),
            "failed": failed,
            "set_aside": aside,
            "left": max(0, self.questions - len(tally.asked)),
            "stopped": stopped,
            "first_error": tally.first_error if tally.tries else None,
            "steps": tally.steps.total(),
            "acceptance_rate": acceptance_rate(ledger),
            "ledger": ledger,
            "flops": flops(ledger, sizes) if sizes else None,
            "already_answered": known,
            "seconds": round(seconds, 2),
            "in_flight": in_flight,
            **costs(ledger, self.llm.prices),
        }


def _requests(llm: ChatRSD, name: str, experiment: Experiment) -> tuple[ReadRow, Ask]:
    """Questions that are requests in OpenAI's words."""
    try:
        from rsd_graph.cli.terminal.requests import Requests
    except ImportError as error:
        raise CapabilityError(
            "requests in OpenAI's batch format need the server's libraries.",
            hint="Install them with: pip install 'rsd-graph[serve]'",
        ) from error
    if experiment.system:
        raise ConfigurationError("these requests say themselves what the system prompt is.")
    requests = Requests(llm, name, experiment.seed)
    return requests.read, requests.ask


def lines(found: Totals, llm: ChatRSD, answers: Path) -> str:
    """The totals, for people."""
    rate, error = found["acceptance_rate"], found["first_error"]
    told = [
        f"{found['answers']} answers in {answers}, {found['already_answered']} of them from before",
        f"{found['seconds']:.1f} s; {found['steps']} steps"
        + (f", {rate:.0%} of the drafts accepted" if rate is not None else ""),
        *spending(found["ledger"], llm.sizes, llm.prices),
    ]
    if found["stopped"]:
        flag = found["stopped"].replace("_", "-")
        told.append(f"--{flag} is used up: {found['left']} questions were not asked")
    if found["set_aside"]:
        beside = set_aside_path(answers)
        told.append(f"{found['set_aside']} failed too often and are set aside in {beside}")
    if error and found["failed"]:
        told += [f"{found['failed']} failed, and will be asked again; the first with:", error]
    return "\n".join(told)
