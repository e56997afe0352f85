"""Look-ahead and hedge change when things happen, never what is settled: for random runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from rsd_graph import (
    Ledger,
    Limits,
    RSDError,
    Step,
    initial_state,
    logistic,
    reward_threshold,
)
from rsd_graph.answer.ledger import settled_tokens
from rsd_graph.answer.options import Lookahead, OnPRMError
from rsd_graph.runtime.listener import AnswerListener
from rsd_graph.runtime.run import settled_steps
from tests.helpers.hashed import transcript
from tests.helpers.trio import Trio, booked, unexplained

QUESTIONS = st.text("abcxyz", min_size=1, max_size=6)
DEPTHS = st.sampled_from([0, 1, 2, 5, "auto"])
HEDGES = st.sampled_from([None, 0.0, 0.15, 0.3, 1.0])


def answered(question: str, **options: Any) -> tuple[dict[str, Any], Trio]:
    """An answer, and the models that gave it."""
    trio = Trio(salt=question, **options)
    answer = asyncio.run(trio.graph.ainvoke(initial_state(question, seed=1)))
    return answer, trio


@settings(max_examples=60, deadline=None)
@given(
    question=QUESTIONS,
    rejects=st.sampled_from([0.0, 0.15, 0.4, 1.0]),
    lookahead=DEPTHS,
    hedge=HEDGES,
    limits=st.sampled_from([Limits(), Limits(max_steps=7), Limits(max_tokens=20)]),
    use_seed=st.booleans(),
)
def test_what_is_settled_is_what_the_sequential_loop_settles(
    question: str,
    rejects: float,
    lookahead: Lookahead,
    hedge: float | None,
    limits: Limits,
    use_seed: bool,
) -> None:
    """Same steps, sources, rewards and finish reason, greedy or seeded, within the same limits."""
    options: dict[str, Any] = {"rejects": rejects, "limits": limits, "use_seed": use_seed}

    plain, _ = answered(question, **options)
    early, _ = answered(question, lookahead=lookahead, hedge=hedge, **options)

    assert transcript(early) == transcript(plain)
    assert early["finish_reason"] == plain["finish_reason"]
    assert settled_tokens(early["ledger"]) == settled_tokens(plain["ledger"])


@settings(max_examples=40, deadline=None)
@given(question=QUESTIONS, lookahead=DEPTHS, hedge=HEDGES)
def test_every_token_is_in_the_answer_or_lost_in_a_place_with_a_name(
    question: str, lookahead: Lookahead, hedge: float | None
) -> None:
    """Tokens are conserved: what the servers counted is what the ledger explains."""
    answer, trio = answered(question, lookahead=lookahead, hedge=hedge)

    ledger = answer["ledger"]
    assert booked(ledger) == trio.counted()
    assert unexplained(ledger) == (0, 0)
    assert settled_tokens(ledger) == sum(step["tokens"] for step in answer["steps"])


async def outcome(question: str, **options: Any) -> tuple[Any, ...]:
    """What was settled, and how it ended, with a reason or an error, the ledger, and the models."""
    trio, steps, end = Trio(salt=question, **options), list[Step](), ""
    ledgers: list[Ledger] = []
    try:
        listening = [AnswerListener(on_end=ledgers.append)]
        laps = settled_steps(trio.graph, initial_state(question, seed=1), listening=listening)
        async for lap in laps:
            steps += lap.steps
            end = str(lap.finish_reason)
    except RSDError as error:
        await asyncio.sleep(0)
        end = str(error)
        if error.steps != steps or error.ledger != ledgers[0]:
            end = "the error says something else than the stream"
    return transcript({"steps": steps}), end, ledgers[0], trio


@settings(max_examples=100, deadline=None)
@given(
    question=QUESTIONS,
    fails=st.sampled_from([0.03, 0.1, 0.3]),
    rejects=st.sampled_from([0.0, 0.2, 0.5]),
    lookahead=DEPTHS,
    hedge=HEDGES,
    on_prm_error=st.sampled_from(["raise", "target"]),
    accept=st.sampled_from([reward_threshold(0.7), logistic(3.0, 0.5)]),
)
def test_what_is_settled_before_an_error_is_the_same_too(
    question: str,
    fails: float,
    rejects: float,
    lookahead: Lookahead,
    hedge: float | None,
    on_prm_error: OnPRMError,
    accept: Any,
) -> None:
    """With models that fail at random the same steps are settled, and the same error ends them."""
    options: dict[str, Any] = {"fails": fails, "rejects": rejects, "accept": accept}
    options["on_prm_error"] = on_prm_error

    plain, end, ledger, _ = asyncio.run(outcome(question, **options))
    early, early_end, early_ledger, trio = asyncio.run(
        outcome(question, lookahead=lookahead, hedge=hedge, **options)
    )

    assert (early, early_end) == (plain, end)
    assert early_ledger["prm_failures"] == ledger["prm_failures"]
    assert booked(early_ledger) == trio.counted()
