"""Datasets load from files, folders, the hub's layout and this package; rows are invented."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from rsd_graph.errors import InputError
from rsd_graph.lab import Question, load_dataset

ROWS: list[dict[str, Any]] = [
    {"question": "1+1?", "answer": "one more: 2\n#### 2"},
    {"question": "Nothing?", "answer": ""},
    {"question": "2+2?", "answer": "twice 2\n#### 4"},
]

DATA = os.environ.get("RSD_GRAPH_DATA")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_jsonl_file_is_named_by_its_stem(tmp_path: Path) -> None:
    """Questions come in the file's order; ids count rows, so an exclusion shifts nothing."""
    questions = load_dataset(write_rows(tmp_path / "GSM8K.jsonl", ROWS))

    assert [(q.id, q.gold) for q in questions] == [("gsm8k/0", "2"), ("gsm8k/2", "4")]
    assert [(e.id, e.reason) for e in questions.excluded] == [
        ("gsm8k/1", "the gold answer is empty")
    ]


def test_a_folder_holds_one_file_for_each_split(tmp_path: Path) -> None:
    """`gsm8k/train.jsonl` is the split train of gsm8k, by folder or by file."""
    write_rows(tmp_path / "gsm8k" / "test.jsonl", ROWS[:1])
    file = write_rows(tmp_path / "gsm8k" / "train.jsonl", ROWS[2:])

    assert [q.id for q in load_dataset(tmp_path / "gsm8k")] == ["gsm8k/0"]
    assert load_dataset(tmp_path / "gsm8k", split="train")[0].gold == "4"
    assert load_dataset(file, split="train")[0].id == "gsm8k/0"


def test_limit_counts_gradable_questions(tmp_path: Path) -> None:
    """An excluded row is not one of the first two."""
    questions = load_dataset(write_rows(tmp_path / "x.jsonl", ROWS), limit=2)

    assert [q.gold for q in questions] == ["2", "4"]


def test_a_json_list_is_read_whole(tmp_path: Path) -> None:
    """A `.json` file holds one list of rows."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(ROWS), encoding="utf-8")

    assert len(load_dataset(path)) == 2


@pytest.mark.filterwarnings("default")  # pandas and pyarrow warn about each other
def test_the_hubs_layout_loads_through_the_datasets_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository as it lies on the hub: data/<split>-00000-of-00001.parquet."""
    library = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "gsm8k"
    library.Dataset.from_list(ROWS).to_parquet(folder / "data" / "test-00000-of-00001.parquet")

    questions = load_dataset(folder)

    assert [(q.id, q.gold) for q in questions] == [("gsm8k/0", "2"), ("gsm8k/2", "4")]


def test_the_synthetic_set_is_held_out_and_repeats() -> None:
    """`candies` needs no file; its level is the number of events."""
    questions = load_dataset("candies", limit=5)

    assert questions == load_dataset("candies", limit=5)
    assert [q.id for q in questions] == [f"candies/{n}" for n in range(5)]
    assert {q.kind for q in questions} == {"math"}
    assert all(q.level == q.text.count("\n") - 1 for q in questions)


def test_an_unknown_name_lists_what_there_is() -> None:
    """A typing slip is answered with the known names, not with a network error."""
    with pytest.raises(InputError, match=r"named 'gsm9k'.*candies, gsm8k, math500"):
        load_dataset("gsm9k")


def test_a_repeated_id_is_refused(tmp_path: Path) -> None:
    """Results are joined by id: a repeated one would count a question twice."""
    rows = [{"id": 1, "question": "1+1?", "answer": "2"}] * 2

    with pytest.raises(InputError, match="'mine/1' occurs 2 times"):
        load_dataset(write_rows(tmp_path / "mine.jsonl", rows))


@pytest.mark.parametrize("text", ["{not json", "3", "[1, 2]"])
def test_a_file_that_holds_no_rows_is_refused(tmp_path: Path, text: str) -> None:
    """Broken JSON and JSON that is not an object per line are named as such."""
    path = tmp_path / "bad.jsonl"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InputError, match=r"bad\.jsonl"):
        load_dataset(path)


def test_line_separators_inside_a_string_do_not_end_a_row(tmp_path: Path) -> None:
    """U+2028 is legal inside JSON; only newlines separate rows."""
    path = tmp_path / "mine.jsonl"
    path.write_text('{"question": "a\u2028b?", "answer": "1"}\n', encoding="utf-8")

    assert load_dataset(path)[0].text == "a\u2028b?"


@pytest.mark.skipif(not DATA, reason="RSD_GRAPH_DATA names no folder with the public datasets")
@pytest.mark.parametrize(
    ("name", "count", "choices", "excluded"),
    [
        ("gsm8k", 1319, 0, 0),
        ("math500", 500, 3, 0),
        ("olympiadbench", 675, 0, 0),
        ("gaokao2023en", 383, 46, 2),
        ("gpqa", 198, 198, 0),
        ("mmlu_stem", 3018, 3018, 0),
        ("aime24", 30, 0, 0),
        ("amc23", 40, 0, 0),
    ],
)
def test_public_datasets_load_whole(name: str, count: int, choices: int, excluded: int) -> None:
    """Every row is a question with a gold, or excluded for a stated reason."""
    questions = load_dataset(Path(str(DATA)) / f"{name}.jsonl")

    assert (len(questions), len(questions.excluded)) == (count, excluded)
    assert sum(q.kind == "choice" for q in questions) == choices
    assert all(isinstance(q, Question) and q.text and q.gold for q in questions)
    assert not any("$" in str(q.gold).replace("\\$", "") for q in questions)
