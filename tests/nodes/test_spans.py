"""The times of every step: who worked on it, when, and what of that was in vain."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rsd_graph import candidate, create_rsd_graph, initial_state
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Step, stored_state
from rsd_graph.nodes.spans import decision_spans, spans_beyond
from tests.helpers.hashed import HashedModel, HashedPRM
from tests.helpers.states import state_of


async def answered(**options: Any) -> dict[str, Any]:
    """An answer of models that are functions of what they are asked."""
    draft, target = HashedModel("d"), HashedModel("t")
    graph = create_rsd_graph(draft=draft, target=target, prm=HashedPRM(0.3), **options)
    return await graph.compile().ainvoke(initial_state("question 1", seed=1))


def work(step: Step) -> list[tuple[str, str]]:
    """Who worked on a step, and what became of that work."""
    return [(span["role"], span["use"]) for span in step["spans"]]


async def test_a_draft_and_its_score_and_what_replaces_it() -> None:
    """An accepted step took a draft and a score; a rejected one the target, too."""
    steps = (await answered())["steps"]

    accepted = [("draft", "kept"), ("prm", "kept")]
    rejected = [("draft", "rejected"), ("prm", "kept"), ("target", "kept")]
    assert [work(step) for step in steps] == [
        accepted if step["accepted"] else rejected for step in steps
    ]


async def test_they_are_in_the_order_of_the_clock() -> None:
    """Each begins after the one before it, and none before the run."""
    before = time.time()

    steps = (await answered())["steps"]

    starts = [span["started"] for step in steps for span in step["spans"]]
    times = [round(at, 3) for at in (before, *starts, time.time())]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("options", "role"), [({"lookahead": 2}, "draft"), ({"hedge": 0.0}, "target")]
)
async def test_what_started_early_and_in_vain_is_told(options: dict[str, Any], role: str) -> None:
    """Tokens in vain are at least those the ledger counts as wasted."""
    found = await answered(**options)

    spans = [span for step in found["steps"] for span in step["spans"]]
    wasted = [span for span in spans if span["use"] == "wasted" and span["role"] == role]
    assert wasted
    assert sum(span["tokens"] for span in wasted) >= found["ledger"][f"wasted_{role}_tokens"]


async def test_the_rejected_drafts_tokens() -> None:
    """They add up to those the ledger calls discarded."""
    found = await answered()

    spans = [span for step in found["steps"] for span in step["spans"]]
    assert found["ledger"]["discarded_draft_tokens"] == sum(
        span["tokens"] for span in spans if span["use"] == "rejected"
    )


def test_a_checkpoint_of_an_older_version() -> None:
    """It knows no time of scoring, and goes on without."""
    assert stored_state({"ledger": {}})["scoring_started"] == 0.0  # type: ignore[typeddict-item]


DRAFTS: Any = [
    {**candidate("x", cost=usage(completion_tokens=number, ms=5.0)), "started": 100.0 + number}
    for number in range(4)
]


def drafted(number: int, use: str) -> dict[str, Any]:
    """The span of that draft's writing."""
    return {
        "role": "draft",
        "started": 100.0 + number,
        "ms": 5.0,
        "use": use,
        "tokens": number,
    }


def judged(started: float, use: str) -> dict[str, Any]:
    """The span of a quarter of a call of 80 ms."""
    return {"role": "prm", "started": started, "ms": 20.0, "use": use}


SCORED = {"rewards": [0.9, 0.1, None, 0.9], "scoring_ms": 80.0, "scoring_started": 200.0}


@pytest.mark.parametrize(
    ("index", "use", "spans"),
    [
        (0, "kept", [drafted(0, "kept"), judged(200.0, "kept")]),
        (1, "rejected", [drafted(1, "rejected"), judged(200.02, "kept")]),
        (2, "rejected", [drafted(2, "rejected")]),
        (3, "wasted", [drafted(3, "wasted"), judged(200.06, "wasted")]),
    ],
)
def test_one_call_that_scores_four_steps_is_cut_in_four(index: int, use: Any, spans: Any) -> None:
    """A score that rejects is useful, too; one beyond a rejection is not."""
    assert decision_spans(state_of(DRAFTS, **SCORED), index, use) == spans


@pytest.mark.parametrize("unknown", [{"rewards": []}, {"scoring_started": 0.0}])
def test_a_score_that_was_not_or_is_not_known_when_is_not_told(unknown: dict[str, Any]) -> None:
    """The draft is."""
    state = state_of(DRAFTS, **{**SCORED, **unknown})

    assert decision_spans(state, 0, "kept") == [drafted(0, "kept")]


def test_all_drafts_beyond_the_rejected_one_are_in_vain() -> None:
    """Scored or not."""
    beyond = spans_beyond(state_of(DRAFTS, **SCORED), 1)

    assert beyond == [drafted(2, "wasted"), drafted(3, "wasted"), judged(200.06, "wasted")]
    assert spans_beyond(state_of(DRAFTS, **SCORED), 3) == []
