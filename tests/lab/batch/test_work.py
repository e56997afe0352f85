"""A batch is streamed, resumed, stopped by its budget, and not stopped by a poisoned question."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from rsd_graph.answer.prices import Price, Prices
from rsd_graph.errors import ConfigurationError, InputError
from rsd_graph.lab.batch.answers import write_set_aside
from rsd_graph.lab.batch.budget import Budget
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.source import Source
from rsd_graph.lab.journal import Record
from rsd_graph.lab.question import Question
from rsd_graph.lab.questions.files import Located
from tests.helpers.batches import CONFIG, Answers, echo, failing_on, run, source

PRICES = Prices(draft=Price(0, 0), target=Price(0, 100_000), prm=Price(0, 0))
"""An answer of ten target tokens costs one."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_no_more_is_read_than_is_worked_on(path: Path) -> None:
    """The file is never ahead of the answers by more than what is in flight."""
    read, done = count(), count()
    ahead: list[int] = []

    def rows() -> Any:
        for n in range(50):
            yield Located(f"row {n}", {"prompt": f"question {next(read)}"})

    async def ask(question: Question) -> Record:
        ahead.append(int(question.text.partition(" ")[2]) - next(done))
        return await echo(question)

    await run(path, Source("q", rows), ask, concurrency=4)

    assert len(ahead) == 50
    assert max(ahead) <= 50 + 4  # all 50 have been read once to count them


async def test_a_second_run_asks_only_what_is_missing(path: Path) -> None:
    """Failures are asked again; what was answered is not."""
    asked: list[str] = []

    async def ask(question: Question) -> Record:
        asked.append(question.id)
        return await echo(question)

    await run(path, source(6), failing_on(2, 4))
    await run(path, source(8), ask)

    assert asked == ["q/2", "q/4", "q/6", "q/7"]


async def test_what_a_failed_answer_had_cost_is_counted(path: Path) -> None:
    """Money that is gone is in the totals, whether there is an answer or not."""
    answers = await run(path, source(3), failing_on(1))

    assert answers.tally.ledger["target"]["completion_tokens"] == 25
    assert answers.tally.first_error == "EndpointConnectionError: target: gone."


async def test_a_cost_is_for_the_file_not_for_the_run(path: Path) -> None:
    """Nothing is begun once it is reached; a second run with the same flag begins nothing."""
    reasons: list[Any] = []
    for _ in range(2):
        budget = Budget(max_cost=3, prices=PRICES)
        await run(
            path,
            source(9),
            budget=budget,
            concurrency=1,
            then=lambda answers, work: reasons.append((len(answers.tally.answered), work.stopped)),
        )

    assert reasons == [(3, "max_cost"), (3, "max_cost")]


async def test_after_its_seconds_a_batch_begins_no_more(path: Path) -> None:
    """What is under way is finished; the next run goes on."""
    clock = count()
    budget = Budget(max_seconds=4, clock=lambda: float(next(clock)))
    first = await run(path, source(9), budget=budget)
    second = await run(path, source(9))

    assert len(first.tally.answered) == 3
    assert len(second.tally.answered) == 9


def test_a_cost_without_prices_is_refused() -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match="prices of all three models"):
        Budget(max_cost=1)


async def test_a_poisoned_question_is_set_aside_with_its_reason(path: Path) -> None:
    """After so many runs it is asked no more, and does not stop the others."""
    aside = path.with_suffix(".set-aside.jsonl")
    for _ in range(3):
        await run(
            path,
            source(4),
            failing_on(1),
            give_up_after=2,
            then=lambda answers, work: write_set_aside(answers, 2),
        )

    assert [line["question"] for line in lines(path)[1:] if "error" in line].count("q/1") == 2
    assert lines(aside) == [
        {
            "question": "q/1",
            "prompt": "question 1",
            "error": "EndpointConnectionError: target: gone.",
            "tries": 2,
        }
    ]


async def test_what_is_answered_after_all_is_set_aside_no_longer(path: Path) -> None:
    """A higher limit asks again; without such a question there is no file."""
    aside = path.with_suffix(".set-aside.jsonl")
    await run(path, source(2), failing_on(1), then=lambda answers, _: write_set_aside(answers, 1))
    was_there = aside.exists()
    await run(path, source(2), then=lambda answers, _: write_set_aside(answers, 1))

    assert (was_there, aside.exists()) == (True, False)


async def test_shards_of_a_file_are_answered_apart_and_each_once(tmp_path: Path) -> None:
    """All shards together ask what one run asks."""
    found: list[str] = []
    for index in range(3):
        shard = Shard(index, 3)
        await run(tmp_path / shard.file_name, source(30, shard))
        records = lines(tmp_path / shard.file_name)
        found += [record["question"] for record in records if "question" in record]

    assert sorted(found) == sorted(f"q/{n}" for n in range(30))


async def test_a_file_belongs_to_one_shard(path: Path) -> None:
    """Another one is refused, and nothing is written."""
    await run(path, source(9, Shard(0, 2)))
    before = path.read_bytes()

    with pytest.raises(ConfigurationError, match=r"another shard.*shard 1/2, found 0/2"):
        await run(path, source(9, Shard(1, 2)))

    assert path.read_bytes() == before


async def test_two_workers_on_one_shard_are_refused(path: Path) -> None:
    """The second ends with one error, before anything is asked."""
    with (
        Answers(path, CONFIG, Shard(1, 2), 5),
        pytest.raises(ConfigurationError, match="is in use"),
    ):
        await run(path, source(9, Shard(1, 2)))


def test_a_question_without_an_id_goes_by_its_text() -> None:
    """Lines added before it do not move it to another worker."""

    def of(*texts: str) -> set[str]:
        rows = [Located("row", {"prompt": text}) for text in texts]
        return {q.text for q in Source("q", lambda: rows, shard=Shard(0, 2))}

    texts = [f"question {n}" for n in range(20)]

    assert of("new", *texts) - {"new"} == of(*texts)


def test_an_id_that_occurs_twice_is_refused_before_anything_is_asked() -> None:
    """In whichever shards the two rows are."""
    rows = [Located(f"row {n}", {"id": n % 3, "prompt": f"question {n}"}) for n in range(4)]

    with pytest.raises(InputError, match="id 'q/0' occurs twice"):
        list(Source("q", lambda: rows, shard=Shard(1, 2)).checked())
