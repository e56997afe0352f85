"""Draft, accept and target: what each asks, books and settles."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph import ContextOverflowError, Limits, Sampling, candidate
from rsd_graph.acceptance import derive_seed
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add, add_usage, empty_ledger, usage
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.nodes import accept_step, draft_step, target_step
from rsd_graph.nodes.request import StepOptions
from rsd_graph.providers.scripted import ScriptedStepModel
from tests.helpers.states import state_of

OPTIONS = StepOptions(Sampling(), Limits(), "\n\n")
DRAFTS = [candidate(name, cost=usage(completion_tokens=n)) for n, name in enumerate("abcd", 1)]
SCORED = {"rewards": [0.9, 0.1, 0.9, 0.9], "scoring_ms": 8.0}


class Served(ScriptedStepModel):
    """A target that is served somewhere."""

    endpoint = "http://target"


class Rejected(EarlyRequests):
    """Remembers what a rejection ended, and has a span and a cost for it."""

    def __init__(self, target: Any, **more: Any) -> None:
        super().__init__(ScriptedStepModel([]), target, **more)
        self.asked: list[Any] = []
        self.drafter.reject = self.reject  # type: ignore[method-assign]

    def reject(self, run: str, accepted: int) -> Any:
        self.asked.append((run, accepted))
        return {"cancelled_calls": 3}

    def in_vain(self, run: str, accepted: int) -> Any:
        self.asked.append((run, accepted))
        return [{"role": "draft", "use": "wasted", "started": 9.0, "ms": 1.0}]


async def rewritten(
    state: Any, target: Any, count: int, limits: Limits = OPTIONS.limits
) -> tuple[Any, Books, Rejected]:
    """What the target's node makes of *state*, of which so many candidates are accepted."""
    early, books = Rejected(target), Books(state["ledger"])
    options = StepOptions(Sampling(), limits, "\n\n")
    update = await target_step(
        state, books, early=early, options=options, accepted=lambda given: count
    )
    return update, books, early


async def test_a_rejection_settles_what_stands_before_it_and_books_the_rest() -> None:
    """Kept, discarded, wasted: each candidate's tokens are in one of the three."""
    target = ScriptedStepModel([candidate("B", cost=usage(completion_tokens=7))])
    state = state_of(DRAFTS, **SCORED)

    update, books, early = await rewritten(state, target, 1)

    assert [(step["text"], step["rejected_text"]) for step in update["steps"]] == [
        ("a", None),
        ("B", "b"),
    ]
    assert target.history == [OPTIONS.request(state, role="target", ahead=DRAFTS[:1])]
    assert target.history[0].seed == derive_seed(1, "target", 1)
    assert early.asked == [("1", 1), ("1", 1)]
    expected: Any = {
        "accepted_steps": 1,
        "kept_draft_tokens": 1,
        "discarded_draft_tokens": 2,
        "wasted_draft_tokens": 7,
        "cancelled_calls": 3,
        "target": usage(completion_tokens=7),
        "target_steps": 1,
    }
    assert books.ledger == add(empty_ledger(), expected)


async def test_what_a_rejection_makes_useless_is_told_with_the_targets_step() -> None:
    """The drafts beyond it, then what was under way."""
    drafts: Any = [{**item, "started": 5.0 + n} for n, item in enumerate(DRAFTS[:3])]
    target = ScriptedStepModel(["B"])

    update, _, _ = await rewritten(state_of(drafts, rewards=[0.9, 0.1, 0.9]), target, 1)

    spans = update["steps"][-1]["spans"]
    assert [(span["use"], span["started"]) for span in spans if span["use"] == "wasted"] == [
        ("wasted", 7.0),
        ("wasted", 9.0),
    ]
    assert "wasted" not in str(update["steps"][0])


async def test_the_answer_ends_at_the_limits_of_its_graph() -> None:
    """With the target's step in it."""
    state = state_of(DRAFTS[:2], rewards=[0.9, 0.1])

    update, _, _ = await rewritten(state, ScriptedStepModel(["B"]), 1, Limits(max_steps=2))

    assert update["finish_reason"] == "max_steps"


FULL = candidate("", "context")


async def test_a_question_that_fills_the_context_is_an_error_with_all_it_takes_to_mend() -> None:
    """What the target read is booked; no step of it is."""
    books = Books(empty_ledger())
    early = EarlyRequests(ScriptedStepModel([]), Served([FULL]))

    with pytest.raises(ContextOverflowError) as caught:
        await target_step(
            state_of([FULL], rewards=[None]),
            books,
            early=early,
            options=OPTIONS,
            accepted=lambda state: 0,
        )

    assert str(caught.value) == (
        "target at http://target: the question alone fills the model's context. "
        "Expected a prompt that leaves room for an answer. "
        "Shorten the conversation or serve the target with a longer context."
    )
    assert (books.ledger["target"]["calls"], books.ledger["target_steps"]) == (1, 0)


@pytest.mark.parametrize(
    ("state", "written", "count"),
    [
        (state_of([FULL], rewards=[None]), candidate("so", "context"), 0),
        (state_of([candidate("a"), FULL], rewards=[0.9, None]), FULL, 1),
        (state_of([FULL], rewards=[None], steps=[{"text": "s", "ended": "separator"}]), FULL, 0),
        (state_of([FULL], rewards=[None]), candidate("", "eos"), 0),
    ],
    ids=["words", "kept", "settled", "no overflow"],
)
async def test_with_anything_to_show_a_full_context_ends_the_answer(
    state: Any, written: Any, count: int
) -> None:
    """As a reason to finish, not as an error."""
    update, _, _ = await rewritten(state, ScriptedStepModel([written]), count)

    assert update["finish_reason"] == {"context": "context", "eos": "stop"}[written["ended"]]


async def test_an_accepted_run_is_the_drafts() -> None:
    """With the hedge that was in vain, told and booked."""
    target = ScriptedStepModel([candidate("in vain", cost=usage(completion_tokens=7))])
    early, books = EarlyRequests(ScriptedStepModel([]), target, hedge=0), Books(empty_ledger())
    state = state_of(DRAFTS[:2], rewards=[0.9, 0.8])
    request = OPTIONS.request(state, role="target")
    early.hedge.consider("1", DRAFTS[0], lambda: request)
    await early.hedge._awaited.find("1").early  # type: ignore[union-attr, misc]

    update = await accept_step(state, books, hedge=early.hedge, limits=Limits(max_steps=2))

    assert [step["text"] for step in update["steps"]] == ["a", "b"]
    assert [span["role"] for span in update["steps"][1]["spans"]] == ["target"]
    assert update["finish_reason"] == "max_steps"
    expected: Any = {
        "accepted_steps": 2,
        "kept_draft_tokens": 3,
        "target": usage(completion_tokens=7),
        "wasted_target_tokens": 7,
    }
    assert books.ledger == add(empty_ledger(), expected)


async def test_a_draft_is_booked_and_undecided() -> None:
    """One in Algorithm 1; rewards of a lap before are no longer its."""
    draft = ScriptedStepModel([DRAFTS[2]])
    early, books = EarlyRequests(draft, draft), Books(empty_ledger())
    state = state_of(rewards=[0.5])

    update = await draft_step(state, books, drafter=early.drafter, options=OPTIONS)

    assert draft.history == [OPTIONS.request(state, role="draft")]
    assert [item["text"] for item in update["candidates"]] == ["c"]
    assert update["rewards"] == []
    spent: Any = {"draft": add_usage(DRAFTS[2]["usage"]), "drafted_steps": 1}
    assert books.ledger == add(empty_ledger(), spent)
