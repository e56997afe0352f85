"""A journal keeps the answers of one configuration, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.journal import Journal, Record

ANY_TEXT = st.text(st.characters(categories=None, exclude_categories=()), max_size=40)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


def record(question: str, text: str = "so 1", *, error: str | None = None) -> Record:
    return Record(
        arm="a",
        question=question,
        level=None,
        text=text,
        steps=[],
        ledger=None if error else empty_ledger(),
        finish_reason=None if error else "stop",
        seconds=0.1,
        error=error,
        correct=error is None,
    )


def texts(path: Path) -> list[str]:
    with Journal(path, {}) as journal:
        return [kept["text"] for kept in journal.answers]


def test_answers_are_kept_and_failures_are_asked_again(path: Path) -> None:
    """The latest record of a question counts."""
    with Journal(path, {}) as journal:
        journal.add(record("1"))
        journal.add(record("2", error="gone"))
        journal.add(record("3", error="gone"))
        journal.add(record("3"))

    with Journal(path, {}) as journal:
        kept = [journal.holds_answer("a", question) for question in "1234"]

    assert kept == [True, False, True, False]
    assert [answer["question"] for answer in journal.answers] == ["1", "3"]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ANY_TEXT)
def test_whatever_a_model_writes_is_read_back(tmp_path: Path, text: str) -> None:
    """U+2028, U+2029, U+0085 and lone surrogates among it."""
    path = tmp_path / "j.jsonl"
    path.unlink(missing_ok=True)
    with Journal(path, {}) as journal:
        journal.add(record("1", text))

    assert texts(path) == [text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")]


def test_answers_of_another_configuration_are_refused(path: Path) -> None:
    """Another delta never picks up this one's answers."""
    with Journal(path, {"delta": 0.7}) as journal:
        journal.add(record("1"))

    with pytest.raises(ConfigurationError, match="another configuration"):
        Journal(path, {"delta": 0.8})


def test_a_line_cut_by_a_crash_is_dropped(path: Path) -> None:
    """Half a line at the end is forgotten at once, and the journal goes on."""
    with Journal(path, {}) as journal:
        journal.add(record("1"))
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"arm": "a", "quest' + "é".encode()[:1])

    with Journal(path, {}) as journal:
        cut = path.read_bytes()
        journal.add(record("2"))

    assert cut == whole
    assert sorted(question for _, question in journal.records) == ["1", "2"]


@pytest.mark.parametrize("length", [0, 1, 9, 17, 40])
def test_a_first_line_cut_by_a_crash_is_written_anew(path: Path, length: int) -> None:
    """There was no answer yet that could be lost."""
    with Journal(path, {"delta": 0.7}):
        header = path.read_bytes()
    path.write_bytes(header[:length])

    with Journal(path, {"delta": 0.7}) as journal:
        journal.add(record("1"))

    assert path.read_bytes().startswith(header)


FOREIGN = [
    b"What is 2+2?",
    b"# Notes\n\nkeep these\n",
    b'{"question": "What is 2+2?", "answer": "4"}\n',
    b'{"question": "What is 2+2?", "answer": "4"}',
    b'{"arm": "a", "question": "1", "error": null}\n',
    b'{"config_hash": "99914b932bd3", "config": {}}\n{"question": "What is 2+2?"}\n',
    b"\x00\x01\x02\xff\n",
    b"[1, 2]\n",
]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_file_is_refused_and_never_overwritten(path: Path, content: bytes) -> None:
    """Questions given where answers belong are still there afterwards."""
    path.write_bytes(content)

    with pytest.raises(ConfigurationError, match=r"is no journal|cannot be read"):
        Journal(path, {})

    assert path.read_bytes() == content


def test_a_journal_that_is_refused_is_not_held(path: Path) -> None:
    """The next run can open it."""
    Journal(path, {"delta": 0.7}).__exit__()
    with pytest.raises(ConfigurationError, match="another configuration"):
        Journal(path, {"delta": 0.8})

    with Journal(path, {"delta": 0.7}) as journal:
        assert journal.records == {}


def test_only_one_run_writes_a_journal(path: Path) -> None:
    """The second is told to wait or to take a file of its own."""
    with Journal(path, {}), pytest.raises(ConfigurationError, match="a file of its own"):
        Journal(path, {})


def test_a_journal_of_an_older_version_is_resumed(path: Path) -> None:
    """Text written as it is, a ledger without what is counted today, no judgement at all."""
    ledger = {name: 0 for name in empty_ledger() if "target_prompt" not in name}
    old = {**record("1", "né\u2028😀"), "ledger": ledger}
    del old["correct"]  # type: ignore[misc]
    lines = [{"config_hash": "44136fa355b3", "config": {}}, old]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_text(text, encoding="utf-8")

    with Journal(path, {}) as journal:
        journal.add(record("2"))

    assert texts(path) == ["né\u2028😀", "so 1"]
    assert path.read_text(encoding="utf-8").startswith(text)


def test_a_ledger_that_an_older_version_wrote_is_read_as_one_of_this(path: Path) -> None:
    """Counters it did not know are zero; an answer that failed has no ledger at all."""
    older = {key: value for key, value in empty_ledger().items() if "cancelled" not in key}
    with Journal(path, {}) as journal:
        journal.add(Record(**{**record("1"), "ledger": older}))  # type: ignore[typeddict-item]
        journal.add(record("2", error="no connection"))

    with Journal(path, {}) as journal:
        ledgers = [kept["ledger"] for kept in journal.records.values()]

    assert ledgers == [empty_ledger(), None]
