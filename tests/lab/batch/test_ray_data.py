"""Ray Data answers with the same text, and a lost actor costs no question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsd_graph.errors import CapabilityError
from rsd_graph.lab.batch.budget import Budget
from rsd_graph.lab.batch.ray_data import AnswerRows, answer_with_ray
from rsd_graph.lab.batch.row import record_in, row_of
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.work import Open, blank_record
from rsd_graph.lab.question import Question
from rsd_graph.providers.scripted import FunctionStepModel
from tests.helpers.batches import CONFIG, Answers, Source, echo, source
from tests.helpers.counted_models import WordPRM, draft_writes, target_writes

OPTIONS = {
    "draft": FunctionStepModel(draft_writes),
    "target": FunctionStepModel(target_writes),
    "prm": WordPRM(),
}


class Column(list[object]):
    """A column as NumPy has it: a list on demand."""

    def tolist(self) -> list[object]:
        return list(self)


async def test_an_actor_answers_a_batch_of_rows() -> None:
    """Under its own id, or its text; with the steps and the cost of every answer."""
    answer = AnswerRows(OPTIONS)

    found = await answer({"id": Column(["a", None]), "prompt": Column(["What?", "Why?"])})

    assert found["question"] == ["a", "Why?"]
    assert found["text"] == ["right 0\n\nright 1\n\nthe answer"] * 2
    assert [len(json.loads(str(steps))) for steps in found["steps"]] == [3, 3]
    assert found["error"] == [None, None]


async def test_a_record_survives_the_way_through_a_table() -> None:
    """Nested parts, a failure and what it had cost included."""
    answered = await echo(Question("q/1", "why", None, "open"))
    failed = blank_record(Question("q/2", "why", None, "open"))
    failed["error"], failed["spent"] = "ServerError: no.", answered["ledger"]

    assert record_in(row_of(answered)) == answered
    assert record_in(row_of(failed)) == failed


def ask_ray(asked: Source, answers: Answers) -> None:
    """Over one actor, four answers at a time."""
    answer_with_ray(
        Open(asked, answers, Budget()),
        OPTIONS,
        None,
        0,
        actors=1,
        concurrency=4,
        progress=lambda record: None,
    )


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one error, before anything is asked."""
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    asked = source(3)
    with (
        Answers(tmp_path / "out.jsonl", CONFIG, Shard(), 3) as answers,
        pytest.raises(CapabilityError, match=r"rsd-graph\[ray\]"),
    ):
        ask_ray(asked, answers)


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_answers_what_is_missing(tmp_path: Path) -> None:
    """Each question once, over an actor of this machine."""
    ray = pytest.importorskip("ray", reason="the extra 'ray'")
    asked = source(12)
    with Answers(tmp_path / "out.jsonl", CONFIG, Shard(), 12) as answers:
        try:
            ask_ray(asked, answers)
        finally:
            ray.shutdown()
        texts = {record["question"]: record["text"] for record in answers.reread()}

    assert sorted(texts) == sorted(f"q/{n}" for n in range(12))
    assert set(texts.values()) == {"right 0\n\nright 1\n\nthe answer"}
