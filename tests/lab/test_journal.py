"""Journals outlive the version that wrote them."""

from __future__ import annotations

import json
from pathlib import Path

from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.lab.journal import Journal


def test_a_ledger_that_an_older_version_wrote_is_read_as_one_of_this(tmp_path: Path) -> None:
    """Counters it did not know are zero; an answer that failed has no ledger at all."""
    path = tmp_path / "answers.jsonl"
    older = {key: value for key, value in empty_ledger().items() if "cancelled" not in key}
    with Journal(path, {"delta": 0.7}) as journal:
        journal.add({"arm": "rsd", "question": "1", "ledger": older, "error": None})
        journal.add({"arm": "rsd", "question": "2", "ledger": None, "error": "no connection"})

    with Journal(path, {"delta": 0.7}) as journal:
        ledgers = [record["ledger"] for record in journal.records.values()]

    assert ledgers == [empty_ledger(), None]
    assert "cancelled_calls" not in json.loads(path.read_text().splitlines()[1])["ledger"]
