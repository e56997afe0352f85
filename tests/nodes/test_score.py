"""How a run of candidates is scored when the PRM cannot score all of it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from rsd_graph import (
    EndpointConnectionError,
    Limits,
    Phases,
    Prefix,
    RewardError,
    Sampling,
    Scores,
)
from rsd_graph.acceptance import accepted_run, reward_threshold
from rsd_graph.answer.books import Books
from rsd_graph.answer.events import events_after
from rsd_graph.answer.ledger import add, empty_ledger, usage
from rsd_graph.answer.state import Candidate, RSDState, Update
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.nodes import score_steps
from rsd_graph.nodes.request import StepOptions
from rsd_graph.providers.scripted import ScriptedRewardModel, ScriptedStepModel, candidate
from tests.helpers.states import state_of

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


def drafted(names: str) -> RSDState:
    """A state with a candidate for each letter."""
    return state_of([candidate(name, tokens=2) for name in names])


def accepted(state: RSDState) -> int:
    return accepted_run(state["rewards"], reward_threshold(0.7), seed=1, first_index=0)


async def scored(prm: Any, names: str, on_error: Any = "raise") -> tuple[Update, Books]:
    """What the node makes of these candidates."""
    options = StepOptions(Sampling(), Limits(), "\n\n")
    model, books = ScriptedStepModel([]), Books(empty_ledger())
    update = await score_steps(
        drafted(names),
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

    told = [event["type"] for event in events_after(drafted("ab"), update, accepted)]

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
            drafted("a"),
            books,
            prm=TablePRM(a=1.5),
            early=EarlyRequests(ScriptedStepModel([]), ScriptedStepModel([])),
            options=StepOptions(Sampling(), Limits(), "\n\n"),
            on_error="raise",
            accepted=accepted,
        )

    assert (books.ledger["prm"]["calls"], books.ledger["scored_steps"]) == (1, 0)


class Watched(EarlyRequests):
    """Remembers what the hedge was to consider, and what the draft was to learn."""

    def __init__(self) -> None:
        super().__init__(ScriptedStepModel([]), ScriptedStepModel([]))
        self.considered: list[Any] = []
        self.learned: list[Any] = []
        self.hedge.consider = self.consider  # type: ignore[method-assign]
        self.drafter.scored = self.learn  # type: ignore[method-assign]

    def consider(self, run: str, draft: Candidate, request: Callable[[], Any]) -> Any:
        self.considered.append((run, draft["text"], request()))
        return {"cancelled_calls": 3}

    def learn(self, scores: Scores, settled: int) -> None:
        self.learned.append((list(scores.rewards), settled))


async def watched(state: Any, prm: Any, on_error: Any = "raise") -> tuple[Any, Books, Watched]:
    """The node with a window of one step, and what it told the others."""
    early, books = Watched(), Books(empty_ledger())
    options = StepOptions(Sampling(), Limits(), "--", Phases(prm_window=1))
    update = await score_steps(
        state,
        books,
        prm=prm,
        early=early,
        options=options,
        on_error=on_error,
        accepted=accepted,
    )
    return update, books, early


async def test_scoring_knows_when_it_began_and_how_long_it_took(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the clock of the world, and by one that never jumps."""
    ticks = iter([10.0, 10.25])
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    monkeypatch.setattr(time, "time", lambda: 777.0)

    update, _, _ = await watched(drafted("a"), ScriptedRewardModel([0.9]))

    assert update == {"scoring_started": 777.0, "scoring_ms": 250.0, "rewards": [0.9]}


async def test_while_the_first_step_is_scored_the_target_may_start_on_it() -> None:
    """With the very request of a rejection; the PRM sees a window, and the draft learns."""
    step: Any = {"text": "s", "ended": "separator", "tokens": 1}
    state: Any = {**drafted("ab"), "steps": [step, step]}
    prm = ScriptedRewardModel([0.9, 0.8])

    _, books, early = await watched(state, prm)

    request = StepOptions(Sampling(), Limits(), "--").request(state, role="target")
    assert early.considered == [("1", "a", request)]
    assert early.learned == [([0.9, 0.8], 1)]
    assert [(len(prefix.steps), len(run)) for prefix, run in prm.history] == [(1, 2)]
    assert books.ledger == add(
        empty_ledger(), {"prm": usage(), "scored_steps": 2, "cancelled_calls": 3}
    )


async def test_only_whole_steps_are_scored_and_invalid_actions_are_counted() -> None:
    """The run ends at the first that is none; nothing is asked where the first is."""
    whole, cut, invalid = candidate("a"), candidate("b", "length"), candidate("c", "invalid")
    prm = ScriptedRewardModel([0.9])

    update, books, _ = await watched(state_of([whole, invalid, whole]), prm)
    assert (update["rewards"], "candidates" in update) == ([0.9, None, None], False)
    assert (books.ledger["invalid_actions"], books.ledger["wasted_draft_tokens"]) == (1, 0)

    update, books, early = await watched(state_of([cut, invalid]), prm)
    assert (update["rewards"], early.considered, len(prm.history)) == ([None, None], [], 1)
    assert books.ledger == add(empty_ledger(), {"invalid_actions": 1})


class FailingPRM:
    """Fails with this error, alone or in a run."""

    reward_range = (0.0, 1.0)

    def __init__(self, error: BaseException) -> None:
        self.error = error

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        raise self.error


def failure(tokens: int) -> EndpointConnectionError:
    """After an attempt that was answered."""
    error = EndpointConnectionError("no connection.", role="prm")
    error.spent = usage(prompt_tokens=tokens)
    return error


async def test_a_score_that_fails_is_booked_with_what_it_had_cost() -> None:
    """Twice for a run: together and alone; and it is told in a warning, without a word of it."""
    update, books, _ = await watched(drafted("ab"), FailingPRM(failure(5)), "target")

    assert update["rewards"] == [None, None]
    spent = usage(prompt_tokens=10, calls=2)
    assert books.ledger == add(
        empty_ledger(), {"prm": spent, "prm_failures": 1, "cancelled_calls": 3}
    )


async def test_that_a_run_is_scored_one_by_one_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """In a warning, without a word of the steps."""
    with caplog.at_level(logging.WARNING):
        await watched(drafted("ab"), FailingPRM(failure(5)), "target")

    told = [(record.name, record.levelname, record.getMessage()) for record in caplog.records]
    text = "rsd.scored_one_by_one steps=2 error=EndpointConnectionError"
    assert told == [("rsd_graph.nodes.scoring", "WARNING", text)]


@pytest.mark.parametrize("names", ["a", "ab"])
async def test_a_bug_in_somebodys_prm_goes_to_no_target(names: str) -> None:
    """Only an error of ours can be left to it."""
    with pytest.raises(ZeroDivisionError):
        await watched(drafted(names), FailingPRM(ZeroDivisionError("theirs")), "target")


async def test_a_score_that_is_cancelled_is_booked() -> None:
    """And nothing else is asked."""
    books = Books(empty_ledger())

    with pytest.raises(asyncio.CancelledError):
        await score_steps(
            drafted("ab"),
            books,
            prm=FailingPRM(asyncio.CancelledError()),
            early=Watched(),
            options=StepOptions(Sampling(), Limits(), "--"),
            on_error="target",
            accepted=accepted,
        )

    assert books.ledger == add(empty_ledger(), {"cancelled_calls": 4})
