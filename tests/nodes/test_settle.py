"""What of a candidate, its reward and its times is in the settled step."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rsd_graph import Limits, candidate
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.nodes.settle import accepted_steps, rewritten_step, settle
from tests.helpers.states import state_of

CALL: Any = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}


def written(text: str, tokens: int, started: float | None, **more: Any) -> Any:
    """A candidate of 10 ms a token, with a time at which it was asked for."""
    item: Any = candidate(text, cost=usage(completion_tokens=tokens, ms=10.0 * tokens))
    return {**item, **({} if started is None else {"started": started}), **more}


DRAFTED = [written("a", 1, 100.0), written("b", 2, 101.0, tool_calls=[CALL])]
TARGETS = written("B", 3, 103.0, phase="answer", reasoning="since", tool_calls=[CALL])


def span(role: str, started: float, ms: float, use: str, **tokens: int) -> dict[str, Any]:
    """A stretch of time."""
    return {"role": role, "started": started, "ms": ms, "use": use, **tokens}


def scored(**more: Any) -> Any:
    """Both were scored in one call of 50 ms."""
    known = {"rewards": [0.9, 0.1], "scoring_ms": 50.0, "scoring_started": 102.0}
    return state_of(DRAFTED, **{**known, **more})


def test_an_accepted_draft_has_its_share_of_the_scoring() -> None:
    """In its time, and in its spans."""
    assert accepted_steps(scored(), 1) == [
        {
            "text": "a",
            "source": "draft",
            "reward": 0.9,
            "accepted": True,
            "ended": "separator",
            "tokens": 1,
            "ms": 10.0 + 25.0,
            "rejected_text": None,
            "spans": [
                span("draft", 100.0, 10.0, "kept", tokens=1),
                span("prm", 102.0, 25.0, "kept"),
            ],
        }
    ]


def test_where_the_draft_writes_alone_nothing_was_scored() -> None:
    """No reward, no share of a score, however long the last scoring took."""
    (_, step) = accepted_steps(scored(rewards=[]), 2)

    assert (step["reward"], step["ms"]) == (None, 20.0)
    assert step["spans"] == [span("draft", 101.0, 20.0, "kept", tokens=2)]
    assert step["tool_calls"] == [CALL]


def test_a_rewritten_step_has_the_times_of_all_three_models() -> None:
    """With the draft that was rejected, in words."""
    assert rewritten_step(scored(), 1, TARGETS) == {
        "text": "B",
        "source": "target",
        "reward": 0.1,
        "accepted": False,
        "ended": "separator",
        "tokens": 3,
        "ms": 20.0 + 25.0 + 30.0,
        "rejected_text": 'b\n<tool_call>\n{"name": "add", "arguments": {}}\n</tool_call>',
        "phase": "answer",
        "reasoning": "since",
        "tool_calls": [CALL],
        "spans": [
            span("draft", 101.0, 20.0, "rejected", tokens=2),
            span("prm", 102.025, 25.0, "kept"),
            span("target", 103.0, 30.0, "kept", tokens=3),
        ],
    }


def test_where_the_target_writes_alone_there_is_no_draft() -> None:
    """Nothing was rejected, and nothing scored."""
    step: Any = rewritten_step(state_of(scoring_ms=50.0), 0, TARGETS)

    assert (step["source"], step["reward"], step["accepted"]) == ("target", None, False)
    assert (step["ms"], step["rejected_text"]) == (30.0, None)
    assert step["spans"] == [span("target", 103.0, 30.0, "kept", tokens=3)]


def test_a_step_without_times_has_no_spans() -> None:
    """As those of older versions."""
    (step,) = accepted_steps(state_of([candidate("a")], rewards=[0.9], scoring_ms=8.0), 1)

    assert (step["ms"], "spans" in step) == (8.0, False)


def settled(limits: Limits, *, spent: int = 0, in_vain: Any = ()) -> Any:
    """The update with two steps, after one that was there."""
    state = scored(steps=accepted_steps(scored(), 1))
    books = Books(add(empty_ledger(), {"kept_draft_tokens": spent}))
    steps = accepted_steps(state, 2)
    return settle(state, steps, limits, books, in_vain), steps


@pytest.mark.parametrize(
    ("limits", "spent", "reason"),
    [
        (Limits(), 0, None),
        (Limits(max_steps=3), 0, "max_steps"),
        (Limits(max_steps=4), 0, None),
        (Limits(max_tokens=9), 9, "length"),
        (Limits(max_tokens=9), 8, None),
    ],
)
def test_settling_ends_the_answer_at_its_limits(
    limits: Limits, spent: int, reason: str | None
) -> None:
    """Over all its steps, by what is on the books; the candidates are decided."""
    update, steps = settled(limits, spent=spent)

    assert update == {"steps": steps, "candidates": [], "rewards": [], "finish_reason": reason}


def test_what_was_in_vain_is_told_with_the_last_step() -> None:
    """After what it took itself."""
    lost: Any = span("draft", 104.0, 9.0, "wasted", tokens=7)

    update, steps = settled(Limits(), in_vain=[lost])

    assert update["steps"] == [steps[0], {**steps[1], "spans": [*steps[1]["spans"], lost]}]


def test_settled_steps_are_logged_as_numbers(caplog: pytest.LogCaptureFixture) -> None:
    """One line a step; never a word of it."""
    with caplog.at_level(logging.DEBUG):
        settled(Limits())

    lines = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    event, source = "rsd.step_settled", "source=draft"
    assert lines == [
        (
            "rsd_graph.nodes.settle",
            "DEBUG",
            f"{event} step={index} {source} reward={reward} accepted=True ended=separator "
            f"tokens={tokens}",
        )
        for index, reward, tokens in [(1, 0.9, 1), (2, 0.1, 2)]
    ]
