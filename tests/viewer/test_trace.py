"""`rsd-trace/1`: what every program writes is what the published schema says."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from rsd_graph import ChatRSD
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.viewer import read_traces, written_schema
from tests.helpers.hashed import HashedModel, HashedPRM
from tests.viewer.answers import answer, step


def published() -> dict[str, Any]:
    """The schema as it is in the package."""
    file = resources.files("rsd_graph.viewer") / "rsd-trace-1.schema.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def check(record: object) -> None:
    """Raise what is wrong with it."""
    Draft202012Validator(published()).validate(record)


def test_the_published_schema_is_that_of_the_code() -> None:
    """`python -m tests.helpers.trace_schema` writes it."""
    Draft202012Validator.check_schema(published())

    assert published() == written_schema()


def test_the_metadata_of_a_message() -> None:
    """`response_metadata["rsd"]`, its times included."""
    llm = ChatRSD(draft=HashedModel("d"), target=HashedModel("t"), prm=HashedPRM(0.3), lookahead=2)

    told = llm.invoke("How many?").response_metadata["rsd"]

    check(json.loads(json.dumps(told)))
    assert all(step["spans"] for step in told["steps"])


def test_what_an_older_version_wrote(tmp_path: Path) -> None:
    """A ledger that counts less, steps without times: valid, and it opens."""
    old = {**answer(0), "ledger": {**empty_ledger()}}
    del old["ledger"]["invalid_actions"]
    file = tmp_path / "old.jsonl"
    file.write_text(json.dumps(old) + "\n", "utf-8")

    check(old)
    assert len(read_traces(file).answers) == 1


def test_what_a_newer_version_may_write(tmp_path: Path) -> None:
    """Names we do not know are let through, wherever they stand."""
    new = {**answer(0, [{**step(), "mood": "good"}]), "weather": {"rain": True}}
    file = tmp_path / "new.jsonl"
    file.write_text(json.dumps(new) + "\n", "utf-8")

    check(new)
    assert len(read_traces(file).answers) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"steps": None},
        {"steps": [{"text": "a"}]},
        {"steps": [{**step(), "source": "oracle"}]},
        {"steps": [{**step(), "spans": [{"role": "judge", "started": 0, "ms": 0, "use": "kept"}]}]},
    ],
    ids=repr,
)
def test_what_is_no_trace(broken: dict[str, Any]) -> None:
    """The schema can refuse: without steps, with half a step, with a writer nobody knows."""
    assert not Draft202012Validator(published()).is_valid(broken)
