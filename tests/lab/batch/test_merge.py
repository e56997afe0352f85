"""Merging finds what is missing, mixed or doubled, and writes all or nothing."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.batch.answers import Answers
from rsd_graph.lab.batch.budget import Budget
from rsd_graph.lab.batch.merge import Parts
from rsd_graph.lab.batch.shard import Shard
from rsd_graph.lab.batch.work import blank_record
from rsd_graph.lab.batch.written import openai_line, write_merged
from rsd_graph.lab.question import Question
from tests.helpers.batches import CONFIG, failing_on, run, source

COUNT = 3


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """Three shards, done; question 4 failed twice."""
    folder = tmp_path / "parts"
    for _ in range(2):
        for index in range(COUNT):
            shard = Shard(index, COUNT)
            await run(folder / shard.file_name, source(20, shard), failing_on(4))
    return folder


def merge(folder: Path, out: Path, *, partial: bool = False) -> list[dict[str, Any]]:
    with ExitStack() as held:
        write_merged(Parts.opened([folder], held, partial=partial), out)
    return [json.loads(line) for line in out.read_text().splitlines()]


async def test_the_shards_together_are_one_run(folder: Path, tmp_path: Path) -> None:
    """Each question once, by its latest record; one header, so that `batch` can go on with it."""
    header, *records = merge(folder, tmp_path / "all.jsonl")
    resumed = await run(tmp_path / "all.jsonl", source(20))

    assert sorted(record["question"] for record in records) == sorted(f"q/{n}" for n in range(20))
    assert [r["question"] for r in records if r["error"]] == ["q/4"]
    assert (header["shard"], header["questions"]) == ("0/1", 20)
    assert len(resumed.tally.answered) == 20


def test_a_torn_last_line_is_passed_over_and_left(folder: Path, tmp_path: Path) -> None:
    """A crash costs the answer under way; that its question is missing is told."""
    torn = sorted(folder.iterdir())[0]
    *whole, last = torn.read_bytes().splitlines(keepends=True)
    torn.write_bytes(b"".join(whole) + last[:-9])
    before = torn.read_bytes()

    with pytest.raises(ConfigurationError, match=r"lacks 1 questions; 1 shards are not done"):
        merge(folder, tmp_path / "all.jsonl")

    assert torn.read_bytes() == before
    assert not (tmp_path / "all.jsonl").exists()
    assert len(merge(folder, tmp_path / "all.jsonl", partial=True)) == 1 + 19


def test_a_shard_that_is_missing_is_named(folder: Path, tmp_path: Path) -> None:
    """Unless what there is will do."""
    (folder / Shard(1, COUNT).file_name).unlink()

    with pytest.raises(ConfigurationError, match=r"1 of 3 shards are missing: 1/3\."):
        merge(folder, tmp_path / "all.jsonl")


async def test_a_shard_that_was_stopped_is_not_done(tmp_path: Path) -> None:
    """Its header says how many questions it has."""
    await run(tmp_path / "parts" / Shard().file_name, source(9), budget=Budget(max_seconds=0))

    with pytest.raises(ConfigurationError, match="lacks 9 questions"):
        merge(tmp_path / "parts", tmp_path / "all.jsonl")


async def test_shards_of_other_settings_are_refused(folder: Path, tmp_path: Path) -> None:
    """Answers of two deltas are never mixed."""
    path = folder / Shard(1, COUNT).file_name
    path.unlink()
    Answers(path, {"delta": 0.8}, Shard(1, COUNT), 0).__exit__()

    with pytest.raises(
        ConfigurationError, match=r"00001-of-00003.jsonl holds the answers of anoth"
    ):
        merge(folder, tmp_path / "all.jsonl")


def test_a_shard_that_is_there_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    """Both files are named."""
    copy = folder / "answers-copy-of-1.jsonl"
    copy.write_bytes((folder / Shard(1, COUNT).file_name).read_bytes())

    with pytest.raises(ConfigurationError, match=r"shard 1/3 is in .*00001-of.* and in .*copy"):
        merge(folder, tmp_path / "all.jsonl")


async def test_a_question_in_two_shards_is_refused(folder: Path, tmp_path: Path) -> None:
    """As happens when a text without an id is changed between two runs."""
    foreign = folder / Shard(1, COUNT).file_name
    inside = json.loads((folder / Shard(0, COUNT).file_name).read_text().splitlines()[-1])
    with Answers(foreign, CONFIG, Shard(1, COUNT), 99) as answers:
        answers.add(blank_record(Question(inside["question"], "?", None, "open")))

    with pytest.raises(ConfigurationError, match=rf"question '{inside['question']}' is in .*00000"):
        merge(folder, tmp_path / "all.jsonl", partial=True)


def test_a_shard_that_is_still_written_is_refused(folder: Path, tmp_path: Path) -> None:
    """Its worker holds it."""
    path = folder / Shard(2, COUNT).file_name
    with (
        Answers(path, CONFIG, Shard(2, COUNT), 5),
        pytest.raises(ConfigurationError, match=r"00002-of-00003.jsonl is in use"),
    ):
        merge(folder, tmp_path / "all.jsonl")


@pytest.mark.parametrize("content", [b"", b'{"question": "a"}\n', b"hello\n"])
def test_what_is_no_file_of_answers_is_refused(tmp_path: Path, content: bytes) -> None:
    """And left as it is."""
    path = tmp_path / "parts.jsonl"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"no file of answers|cannot be read"):
        merge(path, tmp_path / "all.jsonl")

    assert path.read_bytes() == content


def test_parquet_holds_the_same(folder: Path, tmp_path: Path) -> None:
    """A row for each question; what is nested is JSON."""
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra 'parquet'")
    with ExitStack() as held:
        write_merged(Parts.opened([folder], held), tmp_path / "all.parquet")

    rows = {
        row["question"]: row for row in parquet.read_table(tmp_path / "all.parquet").to_pylist()
    }

    assert len(rows) == 20
    assert rows["q/7"]["text"] == "QUESTION 7"
    assert json.loads(rows["q/7"]["ledger"])["target"]["completion_tokens"] == 10
    assert rows["q/4"]["error"] == "EndpointConnectionError: target: gone."


def test_a_failed_request_is_a_line_of_openais_format() -> None:
    """With its error in place of a response."""
    record = blank_record(Question("q/mine", "{}", None, "open"))
    record["error"] = "ServerError: target: HTTP 500: no."

    assert openai_line(record) == {
        "id": "batch_req_b3e33fd897ccdc48",
        "custom_id": "mine",
        "response": None,
        "error": {"code": "ServerError", "message": "target: HTTP 500: no."},
    }
