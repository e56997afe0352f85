"""Files of questions, as editors, spreadsheets and scripts write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsd_graph.errors import ConfigurationError, InputError
from rsd_graph.lab import load_dataset
from rsd_graph.lab.questions.files import rows_of
from rsd_graph.lab.questions.rows import read_any, read_prompt


def asked(path: Path, content: str | bytes) -> list[tuple[str, str | None]]:
    """Every question of a file with this content, and its gold."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [(q.text, q.gold) for q in load_dataset(path, read=read_any)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("q.jsonl", '{"question": "Why, oh\\nwhy?", "answer": "7"}\n'),
        ("q.json", '[{"question": "Why, oh\\nwhy?", "answer": "7"}]'),
        ("q.csv", 'question,answer\n"Why, oh\nwhy?",7\n'),
        ("q.tsv", 'question\tanswer\n"Why, oh\nwhy?"\t7\n'),
        ("semicolons.csv", 'question;answer\r\n"Why, oh\r\nwhy?";7\r\n'),
        ("mark.jsonl", b'\xef\xbb\xbf{"question": "Why, oh\\nwhy?", "answer": "7"}'),
        ("mark.csv", b'\xef\xbb\xbfquestion,answer\n"Why, oh\nwhy?",7\n'),
        ("jsonl.txt", '{"question": "Why, oh\\nwhy?", "answer": "7"}\n'),
        ("csv", 'question,answer\n"Why, oh\nwhy?",7\n'),
    ],
)
def test_one_question_in_every_format(tmp_path: Path, name: str, content: str | bytes) -> None:
    """The standard library is enough; a byte order mark and the ends of lines change nothing."""
    assert asked(tmp_path / name, content) == [("Why, oh\nwhy?", "7")]


def test_prompts_alone_need_no_field(tmp_path: Path) -> None:
    """A line of text, a JSON string, an object: without a gold all are prompts."""
    text = 'What is {x}?\n\n"two\\nlines"\n{"x} or "y"?\n{"prompt": "p"}\n'

    assert asked(tmp_path / "prompts.txt", text) == [
        ("What is {x}?", None),
        ("two\nlines", None),
        ('{"x} or "y"?', None),
        ("p", None),
    ]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("q.jsonl", '{"question": "a"}\n\n{"question": "b",}', r"line 3 of .* is not JSON, at col"),
        ("q.txt", '{"question": "a"}\nb', r"line 2 of .*q\.txt is not JSON"),
        ("q.jsonl", "[1]", r"line 1 of .* is no row\. Expected a JSON object, or a prompt"),
        ("q.json", '[{"question": "a"},\n{"b" 1}]', r"q\.json is not JSON, at line 2"),
        ("q.json", '{"rows": []}', r"does not hold rows\. Expected a list of JSON objects"),
        ("q.jsonl", '{"question": ' + "[" * 99_999, "line 1 of .* nested too deep"),
        ("q.json", "[" * 99_999, "nested too deep"),
        ("q.jsonl", '{"question": ' + "9" * 5_000 + "}", "line 1 of .*a number is too long"),
        ("q.csv", "question,answer\na,1\nb,c,2\n", "line 3 of .* has 3 cells.*double quotes"),
        ("q.csv", 'question\n"a\n', "line 2 of .* is not CSV"),
        ("q.csv", "question,question\na,b\n", "has the column 'question' more than once"),
        ("q.csv", "questoin,level\na,b\n", "line 2 of .*Did you mean 'question' by 'questoin'"),
        ("q.jsonl", '{"promt": "a"}', "line 1 of .* has no question.*mean 'prompt' by 'promt'"),
        ("q.jsonl", '{"question": ["a"]}', "line 1 of .* has a question that is no text"),
        ("q.jsonl", '{"question": " "}', "line 1 of .* has a question that is no text"),
        ("q.jsonl", "", "There is no question in q"),
    ],
)
def test_what_cannot_be_asked_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, complaint: str
) -> None:
    """And with the field that may be meant."""
    (tmp_path / name).write_text(content)

    with pytest.raises(InputError, match=complaint):
        load_dataset(tmp_path / name, read=read_prompt)


def test_another_encoding_is_named(tmp_path: Path) -> None:
    """A spreadsheet's file says where it is not UTF-8, and how to make it so."""
    with pytest.raises(ConfigurationError, match=r"line 3, is not UTF-8.*iconv -f WINDOWS-1252"):
        asked(tmp_path / "q.csv", b"question\na\ncaf\xe9\n")


def test_a_missing_gold_may_be_misspelt(tmp_path: Path) -> None:
    """Where golds are needed, and not where they are not."""
    (tmp_path / "q.csv").write_text("question,anwser\na,1\n")

    with pytest.raises(InputError, match=r"line 2 of .* Did you mean 'answer' by 'anwser'"):
        load_dataset(tmp_path / "q.csv")
    assert [q.gold for q in load_dataset(tmp_path / "q.csv", read=read_any)] == [None]


def test_a_file_that_is_not_there_may_be_the_one_beside_it(tmp_path: Path) -> None:
    """Its name is never taken for a repository on the hub."""
    (tmp_path / "questions.jsonl").touch()
    wrong = tmp_path / "questoins.jsonl"

    with pytest.raises(InputError, match=r"Did you mean '.*questions\.jsonl'"):
        load_dataset(wrong)


def test_rows_keep_their_place() -> None:
    """Blank lines count."""
    lines = ["", json.dumps({"prompt": "a"}), "", json.dumps("b")]

    assert [where for where, _ in rows_of(lines, "q.jsonl")] == [
        "line 2 of q.jsonl",
        "line 4 of q.jsonl",
    ]
