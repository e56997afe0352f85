"""Ray Data answers the questions: a class for `map_batches`, and a batch that uses it.

Each actor has one event loop and one `ChatRSD`. Ray starts actors, spreads the questions and asks
again what a lost one had in hand; what is answered, and once, is known by the file of answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import SecretStr

from rsd_graph.chat_models import ChatRSD
from rsd_graph.errors import CapabilityError
from rsd_graph.lab.batch.row import record_in, row_of
from rsd_graph.lab.batch.words import asking
from rsd_graph.lab.batch.work import Open, Progress, attempt
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.rows import read_prompt, row_id
from rsd_graph.providers.prm.each import all_or_none

BATCHES_AT_ONCE = 4
"""As many batches as Ray Data has one actor work on at a time, unless its environment says else."""

_BLOCKS_AT_ONCE = 4
"""How many times the questions in flight one block holds: what a lost actor may ask again."""


class AnswerRows:
    """Answers rows; for `Dataset.map_batches`, which makes one in each actor.

        dataset.map_batches(
            AnswerRows,
            fn_constructor_kwargs={"options": {"draft": "vllm+http://...", ...}},
            batch_size=16,  # four batches at a time: 64 answers
            concurrency=8,  # actors
            num_cpus=1,
        )

    Rows have a `question`, `prompt`, `problem` or `instruction`, and an `id` if there is one. What
    comes out are the columns of `rsd_graph.lab.batch.row`; an answer that failed has an `error`.

    Args:
        options: Arguments of `ChatRSD`. Keys are the environment's, in the actor.
        system: System prompt of every question.
        seed: Root of all sampling.

    Raises:
        ConfigurationError: The options do not fit together.
    """

    def __init__(
        self, options: Mapping[str, Any], *, system: str | None = None, seed: int = 0
    ) -> None:
        self._ask = asking(ChatRSD(**options), system, seed)

    async def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[object]]:
        """The answers to a batch, which is a column of values by name.

        Raises:
            InputError: A row has no question.
        """
        columns = [values.tolist() for values in batch.values()]
        rows = (dict(zip(batch, values, strict=True)) for values in zip(*columns, strict=True))
        found = await all_or_none(attempt(self._ask, _question(row)) for row in rows)
        told = [row_of(record) for record in found]
        return {name: [row[name] for row in told] for name in told[0]}


def _question(row: Mapping[str, Any]) -> Question:
    text = read_prompt(row, source="", index=0).text
    stated = row_id(row)
    return Question(text if stated is None else str(stated), text, None, "open")


def answer_with_ray(
    work: Open,
    options: Mapping[str, Any],
    system: str | None,
    seed: int,
    *,
    actors: int,
    concurrency: int,
    progress: Progress,
) -> None:
    """Have a Ray cluster answer what is open; it is the one of RAY_ADDRESS, or this machine.

    Args:
        work: The questions, and where answers go.
        options: Arguments of `ChatRSD`.
        system: System prompt of every question.
        seed: Root of all sampling.
        actors: How many work at a time.
        concurrency: Answers at a time for each.
        progress: Hears of each record.

    Raises:
        CapabilityError: Ray is not installed.
        ConfigurationError: The answers cannot be written.
    """
    try:
        import ray.data
    except ImportError as error:
        raise CapabilityError(
            "Ray is not installed.", hint="Install it with: pip install 'rsd-graph[ray]'"
        ) from error
    ray.init(ignore_reinit_error=True, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False  # ours counts answers
    blocks = [ray.put(table) for table in _tables(work, concurrency * _BLOCKS_AT_ONCE)]
    if not blocks:
        return
    asked = ray.data.from_arrow_refs(blocks).map_batches(
        AnswerRows,
        fn_constructor_kwargs={"options": _shared(options), "system": system, "seed": seed},
        batch_size=max(1, concurrency // BATCHES_AT_ONCE),
        concurrency=min(actors, len(blocks)),
        num_cpus=1,
    )
    for row in asked.iter_rows():
        record = record_in(row)
        if not work.answers.tally.holds_answer(record["question"]):
            work.answers.add(record)
            progress(record)
        work.stopped = work.budget.spent(work.answers.tally.ledger)
        if work.stopped:
            return


def _tables(questions: Iterable[Question], size: int) -> Iterator[Any]:
    """The questions as tables of *size* rows, made as they are asked for."""
    import pyarrow

    waiting = iter(questions)
    while some := list(islice(waiting, size)):
        yield pyarrow.table({"id": [q.id for q in some], "prompt": [q.text for q in some]})


def _shared(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options without keys, which never leave their process."""
    return {name: said for name, said in options.items() if not isinstance(said, SecretStr)}
