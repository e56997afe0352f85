"""How a run of candidates is scored when the PRM cannot score all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import EndpointConnectionError, Limits, Prefix, RewardError, Sampling, Scores
from rsd_graph.acceptance import accepted_run, reward_threshold
from rsd_graph.answer.books import Books
from rsd_graph.answer.events import events_after
from rsd_graph.answer.ledger import empty_ledger, usage
from rsd_graph.answer.state import Candidate, RSDState, Update
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.nodes import score_steps
from rsd_graph.nodes.request import StepOptions
from rsd_graph.providers.scripted import ScriptedStepModel, candidate

BROKEN = math.inf
"""The reward of a step that cannot be scored."""


class TablePRM:
    """Rewards by text; a call with a broken step fails. Remembers what it was asked."""

    reward_range = (0.0, 1.0)

    def __init__(self, **rewards: float) -> None:
        self.rewards = rewards
        self.asked: list[tuple[list[str], list[str]]] = []

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        names = [item["text"] for item in candidates]
        self.asked.append(([step["text"] for step in prefix.steps], names))
        if BROKEN in (self.rewards[name] for name in names):
            raise EndpointConnectionError("no connection.", role="prm")
        return Scores([self.rewards[name] for name in names], usage(prompt_tokens=10))


def state_of(names: str) -> RSDState:
    return {
        "conversation": [{"role": "user", "content": "q"}],
        "seed": 1,
        "run": "1",
        "steps": [],
        "candidates": [candidate(name, tokens=2) for name in names],
        "rewards": [],
        "scoring_ms": 0.0,
        "ledger": empty_ledger(),
        "finish_reason": None,
    }


def accepted(state: RSDState) -> int:
    return accepted_run(state["rewards"], reward_threshold(0.7), seed=1, first_index=0)


async def scored(prm: Any, names: str, on_error: Any = "raise") -> tuple[Update, Books]:
    """What the node makes of these candidates."""
    options = StepOptions(Sampling(), Limits(), "\n\n")
    model, books = ScriptedStepModel([]), Books(empty_ledger())
    update = await score_steps(
        state_of(names),
        books,
        prm=prm,
        early=EarlyRequests(model, model),
        options=options,
        on_error=on_error,
        accepted=accepted,
    )
    return update, books


async def test_a_run_that_can_be_scored_costs_one_call() -> None:
    """All candidates at once, whatever their rewards."""
    prm = TablePRM(a=0.9, b=0.1, c=0.9)

    update, books = await scored(prm, "abc")

    assert update["rewards"] == [0.9, 0.1, 0.9]
    assert prm.asked == [([], ["a", "b", "c"])]
    assert (books.ledger["prm"]["calls"], books.ledger["scored_steps"]) == (1, 3)


async def test_after_a_failed_run_no_step_beyond_the_first_rejection_is_scored() -> None:
    """What would never have been drafted fails nobody; each step is judged after those before."""
    prm = TablePRM(a=0.9, b=0.1, c=BROKEN)

    update, books = await scored(prm, "abc")

    assert update["rewards"] == [0.9, 0.1, None]
    assert prm.asked == [([], ["a", "b", "c"]), ([], ["a"]), (["a"], ["b"])]
    assert (books.ledger["prm"]["calls"], books.ledger["prm"]["prompt_tokens"]) == (2, 20)
    assert (books.ledger["scored_steps"], books.ledger["prm_failures"]) == (2, 0)


async def test_good_steps_before_a_failed_one_stay_the_drafts() -> None:
    """With `on_prm_error="target"` only the step that cannot be scored goes to the target."""
    update, books = await scored(TablePRM(a=0.9, b=BROKEN, c=0.9), "abc", on_error="target")

    assert update["rewards"] == [0.9, None, None]
    assert "candidates" not in update
    assert books.ledger["prm_failures"] == 1


async def test_good_steps_before_a_failed_one_are_settled_before_it_is_raised() -> None:
    """With `on_prm_error="raise"` the others are dropped, and their tokens booked as waste."""
    update, books = await scored(TablePRM(a=0.9, b=BROKEN, c=0.9), "abc")

    assert [item["text"] for item in update["candidates"]] == ["a"]
    assert update["rewards"] == [0.9]
    assert (books.ledger["wasted_draft_tokens"], books.ledger["scored_steps"]) == (4, 1)


async def test_candidates_that_are_dropped_are_not_told_as_drafted_again() -> None:
    """The events of such a lap are the verdicts on what is left."""
    update, _ = await scored(TablePRM(a=0.9, b=BROKEN), "ab")

    told = [event["type"] for event in events_after(state_of("ab"), update, accepted)]

    assert told == ["step_scored", "step_accepted"]


async def test_the_first_step_that_cannot_be_scored_is_raised() -> None:
    """Nothing stands before it that could be settled."""
    prm = TablePRM(a=BROKEN, b=0.9)

    with pytest.raises(EndpointConnectionError):
        await scored(prm, "ab")

    assert prm.asked == [([], ["a", "b"]), ([], ["a"])]


async def test_a_single_step_is_asked_about_once() -> None:
    """As in the sequential loop: a retry is the endpoint's business."""
    prm = TablePRM(a=BROKEN)

    with pytest.raises(EndpointConnectionError):
        await scored(prm, "a")

    assert len(prm.asked) == 1


async def test_a_reward_that_cannot_be_trusted_is_paid_for() -> None:
    """The call was answered, so it is on the ledger; no step counts as scored."""
    books = Books(empty_ledger())

    with pytest.raises(RewardError):
        await score_steps(
            state_of("a"),
            books,
            prm=TablePRM(a=1.5),
            early=EarlyRequests(ScriptedStepModel([]), ScriptedStepModel([])),
            options=StepOptions(Sampling(), Limits(), "\n\n"),
            on_error="raise",
            accepted=accepted,
        )

    assert (books.ledger["prm"]["calls"], books.ledger["scored_steps"]) == (1, 0)
