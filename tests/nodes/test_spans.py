"""The times of every step: who worked on it, when, and what of that was in vain."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rsd_graph import create_rsd_graph, initial_state
from rsd_graph.answer.state import Step, stored_state
from tests.helpers.hashed import HashedModel, HashedPRM


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
