"""What answers are like, from the ledgers of those that were written."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.answer.ledger import Ledger, add, empty_ledger, usage
from rsd_graph.lab.step_statistics import (
    StepStatistics,
    read_step_statistics,
    step_statistics,
)

KNOWN = StepStatistics(2, 4.0, 10.0, 25.0, 8, 2)


def ledger(question: int, steps: int, rejected: int, tokens: int = 10) -> Ledger:
    """An answer of *steps* steps of *tokens*; every draft call reads all that stands before."""
    prompts = sum(question + tokens * before for before in range(steps))
    drafted = usage(calls=steps, prompt_tokens=prompts, completion_tokens=steps * tokens)
    rewritten = usage(calls=rejected, completion_tokens=rejected * tokens)
    return add(
        empty_ledger(),
        {
            "draft": drafted,
            "target": rewritten,
            "accepted_steps": steps - rejected,
            "target_steps": rejected,
            "kept_draft_tokens": tokens * (steps - rejected),
        },
    )


def test_lengths_and_shares_come_out_of_the_ledgers() -> None:
    """Two answers of three and five steps of ten tokens, one step of each rewritten."""
    assert step_statistics([ledger(25, 3, 1), ledger(25, 5, 1)]) == KNOWN


def test_the_share_of_rejected_steps_has_an_interval() -> None:
    """Two of eight: Wilson's."""
    share = KNOWN.rejected_share

    assert share.value == 0.25
    assert (share.low, share.high) == pytest.approx((0.071, 0.591), abs=1e-3)


def test_answers_in_one_piece_say_nothing_of_steps() -> None:
    """The target alone has no draft."""
    alone = add(empty_ledger(), {"target": usage(completion_tokens=50), "target_steps": 1})

    assert step_statistics([alone]) is None


def write(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_journal_is_read_for_its_answers_of_rsd(tmp_path: Path) -> None:
    """Whatever other arms it holds, and whatever failed."""
    path = write(
        tmp_path / "answers.jsonl",
        {"config_hash": "a", "config": {}},
        {"arm": "RSD 0.7", "question": "1", "ledger": ledger(25, 3, 1)},
        {"arm": "RSD 0.7", "question": "2", "ledger": ledger(25, 5, 1)},
        {"arm": "RSD 0.7", "question": "3", "ledger": None},
        {"arm": "random mixing, target share 10.0%", "question": "1", "ledger": ledger(9, 9, 9)},
    )

    assert read_step_statistics(path) == KNOWN


def test_a_calibration_says_it_itself(tmp_path: Path) -> None:
    """The file of `rsd-graph calibrate` has them ready."""
    path = write(tmp_path / "calibrated.json", {"delta": 0.7, "steps": asdict(KNOWN)})

    assert read_step_statistics(path) == KNOWN


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ([{"delta": 0.7}], "says nothing about the steps of RSD"),
        ([{"delta": 0.7, "steps": {"steps": 3}}], "says nothing about the steps of RSD"),
        (
            [
                {"arm": "RSD 0.7", "ledger": ledger(25, 3, 1)},
                {"arm": "RSD 0.9", "ledger": ledger(25, 3, 2)},
            ],
            "holds the answers of RSD 0.7, RSD 0.9",
        ),
    ],
)
def test_what_cannot_be_read_is_said(rows: list[object], what: str, tmp_path: Path) -> None:
    """A file without steps, and one with two thresholds mixed."""
    with pytest.raises(ConfigurationError, match=what):
        read_step_statistics(write(tmp_path / "file", *rows))


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """With its name."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.json cannot be read"):
        read_step_statistics(tmp_path / "nowhere.json")
