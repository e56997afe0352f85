"""Files become traces, or one clear word about why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import InputError
from rsd_graph.viewer import read_traces
from tests.viewer.answers import answer, step


def test_one_answer(tmp_path: Path) -> None:
    """What `solve --json` prints."""
    file = tmp_path / "answer.json"
    file.write_text(json.dumps(answer(0, steps=[step("a")]), indent=2), "utf-8")

    assert [trace["steps"][0]["text"] for trace in read_traces(file).answers] == ["a"]


def test_a_journal_says_under_which_conditions(tmp_path: Path) -> None:
    """Its first line has the settings; delta is every answer's."""
    file = tmp_path / "journal.jsonl"
    lines: list[Any] = [{"config_hash": "h", "config": {"delta": 0.8}}, answer(0), answer(1)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    found = read_traces(file)

    assert (found.conditions, [trace["delta"] for trace in found.answers]) == (
        {"delta": 0.8},
        [0.8, 0.8],
    )


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    """What a killed run leaves, even inside a character."""
    file = tmp_path / "journal.jsonl"
    whole = json.dumps(answer(0)).encode() + b"\n"
    file.write_bytes(whole + '{"text": "é'.encode()[:-1])

    found = read_traces(file)

    assert (len(found.answers), found.remarks) == (
        1,
        ["the last line was cut off and is left out"],
    )


def test_separators_of_lines_inside_an_answer(tmp_path: Path) -> None:
    """U+2028, U+2029 and U+0085 end no line of the file."""
    file = tmp_path / "journal.jsonl"
    text = "a\u2028b\u2029c\u0085d"
    line = json.dumps(answer(0, steps=[step(text)]), ensure_ascii=False)
    file.write_text(f"{line}\n{line}\n", "utf-8")

    assert [trace["steps"][0]["text"] for trace in read_traces(file).answers] == [text, text]


def test_a_failed_answer_is_shown_as_one(tmp_path: Path) -> None:
    """Its error is there, its steps are none."""
    file = tmp_path / "journal.jsonl"
    failed = {**answer(0), "error": "draft: nobody answers.", "steps": None, "ledger": None}
    file.write_text(json.dumps(failed) + "\n" + json.dumps(answer(1)) + "\n", "utf-8")

    first = read_traces(file).answers[0]

    assert (first["error"], first["steps"]) == ("draft: nobody answers.", [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b'{"a": 1}\n{"b": 2}\n', "no steps"),
        (b"hello\nworld\n", "line 1"),
        (b"\xff\xfe", "line 1"),
        (b"[]", "holds no answer"),
        (b"[1, 2]", "no steps"),
        (b'{"steps": [1]}', "no steps"),
        (b"[" * 100_000, "line 1"),
    ],
    ids=repr,
)
def test_what_is_not_ours_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """A foreign file, an empty one, garbage: a typed error with what was found."""
    file = tmp_path / "file.jsonl"
    file.write_bytes(content)

    with pytest.raises(InputError, match=said):
        read_traces(file)


def test_a_file_too_large_for_a_page(tmp_path: Path) -> None:
    """Two gigabytes are refused before they are read."""
    file = tmp_path / "huge.jsonl"
    with file.open("wb") as opened:
        opened.truncate(2 * 2**30)

    with pytest.raises(InputError, match="2,048 MiB"):
        read_traces(file)


def test_no_such_file(tmp_path: Path) -> None:
    """Named, with the reason."""
    with pytest.raises(InputError, match="No such file"):
        read_traces(tmp_path / "none.json")
