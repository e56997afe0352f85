"""Look-ahead changes when things happen, never what is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from rsd_graph import (
    ConfigurationError,
    EndpointConnectionError,
    Prefix,
    Scores,
    StepRequest,
    candidate,
    constant,
    create_rsd_graph,
    initial_state,
)
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.answer.options import Lookahead
from rsd_graph.answer.state import Candidate
from rsd_graph.early.lookahead import Drafter
from tests.helpers.hashed import HashedModel, HashedPRM


def books() -> Books:
    """Nothing spent yet."""
    return Books(empty_ledger())


async def solve(
    lookahead: Lookahead, question: str, rejects: float, **options: Any
) -> tuple[dict[str, Any], HashedModel]:
    draft = HashedModel("d", use_seed=options.pop("use_seed", False))
    graph = create_rsd_graph(
        draft=draft,
        target=HashedModel("t"),
        prm=HashedPRM(rejects),
        lookahead=lookahead,
        **options,
    ).compile()
    return await graph.ainvoke(initial_state(question, seed=1)), draft


async def test_accepting_everything_is_the_draft_alone() -> None:
    """omega = 1 gives the draft's own transcript and never calls the target."""
    answer, _ = await solve(0, "alone", 1.0, accept=constant(1))

    prefix, alone, model = Prefix([{"role": "user", "content": "alone"}]), [], HashedModel("d")
    while not alone or alone[-1]["ended"] == "separator":
        request = StepRequest(Prefix(prefix.conversation, alone), max_tokens=512)
        alone.append(await model.write_step(request))

    assert [step["text"] for step in answer["steps"]] == [step["text"] for step in alone]
    assert answer["ledger"]["target"]["calls"] == 0


async def test_rejecting_everything_is_the_target_alone() -> None:
    """omega = 0 gives the target's own transcript."""
    answer, _ = await solve(2, "alone", 0.0, accept=constant(0))

    alone: list[Candidate] = []
    while not alone or alone[-1]["ended"] == "separator":
        request = StepRequest(Prefix([{"role": "user", "content": "alone"}], alone), 512)
        alone.append(await HashedModel("t").write_step(request))

    assert [step["text"] for step in answer["steps"]] == [step["text"] for step in alone]


class BlockingModel:
    """Writes its first step at once and hangs in every later one until cancelled."""

    def __init__(self) -> None:
        self.cancelled = 0
        self.hanging = asyncio.Event()

    async def write_step(self, request: StepRequest) -> Candidate:
        if not request.prefix.text:
            return candidate("first")
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError


def request_after(ahead: Sequence[Candidate]) -> StepRequest:
    return StepRequest(Prefix([{"role": "user", "content": "q"}], ahead), max_tokens=8)


async def test_a_rejection_cancels_the_request_in_flight_and_counts_it() -> None:
    """Discarding a run closes its running request; its possible tokens are booked as a bound."""
    model = BlockingModel()
    drafter = Drafter(model, 2)
    await drafter.write_run("1", request_after, books())
    await model.hanging.wait()

    entry = drafter.discard("1")
    await asyncio.sleep(0)

    assert model.cancelled == 1
    assert entry["cancelled_calls"] == 1
    assert 1 <= entry["cancelled_draft_tokens"] <= 8


async def test_cancelling_a_run_cancels_its_lookahead() -> None:
    """When the caller gives up while a step is being scored, the draft stops too."""

    class HangingPRM(HashedPRM):
        async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
            await asyncio.Event().wait()
            raise AssertionError

    model = BlockingModel()
    graph = create_rsd_graph(draft=model, target=model, prm=HangingPRM(0), lookahead=1).compile()
    task = asyncio.create_task(graph.ainvoke(initial_state("q")))
    await model.hanging.wait()
    for _ in range(20):
        await asyncio.sleep(0)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)

    assert model.cancelled == 1


async def test_an_error_ahead_surfaces_only_if_its_step_is_needed() -> None:
    """A look-ahead request that failed is raised when its turn comes, not before."""

    class FailsAhead:
        async def write_step(self, request: StepRequest) -> Candidate:
            if request.prefix.text:
                raise EndpointConnectionError("no connection.", role="draft")
            return candidate("first")

    drafter = Drafter(FailsAhead(), 1)

    run = await drafter.write_run("1", request_after, books())
    with pytest.raises(EndpointConnectionError):
        await drafter.write_run("1", lambda ahead: request_after([*run, *ahead]), books())

    assert [step["text"] for step in run] == ["first"]


async def test_a_prefix_nobody_started_starts_afresh() -> None:
    """Speculation for one prefix is never used for another."""
    model = HashedModel("d")
    drafter = Drafter(model, 1)
    first = await drafter.write_run("1", request_after, books())
    other = candidate("something else entirely")

    (second, *_) = await drafter.write_run(
        "1", lambda ahead: request_after([other, *ahead]), books()
    )

    expected = await HashedModel("d").write_step(request_after([other]))
    assert second["text"] == expected["text"]
    assert second["text"] != first[0]["text"]


def test_a_negative_lookahead_is_refused() -> None:
    """Depths are 0, 1, 2, … or "auto"."""
    with pytest.raises(ConfigurationError, match="lookahead=-1"):
        Drafter(HashedModel("d"), -1)
