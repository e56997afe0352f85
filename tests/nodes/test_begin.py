"""A new answer starts afresh, with a question that asks something."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import InputError
from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.nodes import begin

USER: Any = {"role": "user", "content": "q"}


def test_everything_of_an_answer_before_is_forgotten() -> None:
    """Steps start over, and the run has a name and a seed of its own."""
    update = begin({"conversation": [USER], "seed": 7})

    assert update == {
        "seed": derive_seed(7, '[{"role": "user", "content": "q"}]', 0),
        "run": update["run"],
        "steps": None,
        "candidates": [],
        "rewards": [],
        "scoring_ms": 0.0,
        "scoring_started": 0.0,
        "ledger": empty_ledger(),
        "finish_reason": None,
    }
    assert len(update["run"]) == 16


@pytest.mark.parametrize("given", [{}, {"seed": None}], ids=["absent", "none"])
def test_without_a_seed_one_is_drawn(given: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 62 random bits: small enough for every server."""
    monkeypatch.setattr("secrets.randbits", lambda bits: 1000 + bits)

    update = begin({"conversation": [USER], **given})

    assert update["seed"] == derive_seed(1062, '[{"role": "user", "content": "q"}]', 0)


@pytest.mark.parametrize(
    "conversation",
    [[], [{"role": "user", "content": " \n"}], [USER, USER, {"role": "assistant", "content": ""}]],
    ids=["nothing", "blank", "the last"],
)
def test_an_empty_question_is_refused_with_what_to_pass(conversation: Any) -> None:
    """It is the last message that asks."""
    with pytest.raises(InputError) as caught:
        begin({"conversation": conversation})

    assert str(caught.value) == (
        "The question is empty. Expected a conversation whose last message has text. "
        'Pass initial_state("your question"), or a non-empty list of messages.'
    )


@pytest.mark.parametrize("content", ["", "4"])
def test_a_tool_may_answer_with_nothing(content: str) -> None:
    """Nobody else may."""
    conversation: Any = [{"role": "user", "content": ""}, {"role": "tool", "content": content}]

    assert begin({"conversation": conversation})["steps"] is None
