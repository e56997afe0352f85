"""The arms of an evaluation do what their names say, and book what they spend."""

from __future__ import annotations

from rsd_graph import reward_threshold
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.beam import beam_search
from rsd_graph.lab.arms.rsd import random_mixing, rsd
from rsd_graph.lab.arms.sampled import best_of_n, majority
from tests.helpers.counted_models import setup

SAMPLED = setup().with_options(temperature=0.7)


async def test_each_model_alone() -> None:
    """The draft alone makes its error; the target alone does not; nobody else is called."""
    draft = await alone(setup(), "draft").solve("q", 0)
    target = await alone(setup(), "target").solve("q", 0)

    assert draft.text == "right 0\n\nwrong 1\n\nthe answer"
    assert target.text == "right 0\n\nright 1\n\nthe answer"
    assert draft.ledger["kept_draft_tokens"] == 6
    assert target.ledger["target"]["calls"] == 1
    assert draft.ledger["target"]["calls"] == target.ledger["draft"]["calls"] == 0


async def test_one_model_alone_says_when_it_was_at_work() -> None:
    """Its answer is one stretch of work; of several drafts, those not taken are wasted."""
    target = await alone(setup(), "target").solve("q", 0)
    best = await best_of_n(SAMPLED, 3).solve("q", 0)

    told = [[(span["role"], span["use"]) for span in a.steps[0]["spans"]] for a in (target, best)]
    assert told == [
        [("target", "kept")],
        [("draft", "kept"), ("draft", "wasted"), ("draft", "wasted")],
    ]


async def test_rsd_rewrites_only_the_wrong_step() -> None:
    """One of three steps goes to the target."""
    outcome = await rsd(setup(), reward_threshold(0.7)).solve("q", 0)

    assert [step["source"] for step in outcome.steps] == ["draft", "target", "draft"]
    assert outcome.text == "right 0\n\nright 1\n\nthe answer"
    assert outcome.finish_reason == "stop"


async def test_random_mixing_ignores_the_rewards() -> None:
    """The control sends its share to the target blindly: all of it at 1, none at 0."""
    everything = await random_mixing(setup(), 1.0).solve("q", 0)
    nothing = await random_mixing(setup(), 0.0).solve("q", 0)

    assert {step["source"] for step in everything.steps} == {"target"}
    assert "wrong 1" in nothing.text


async def test_best_of_n_picks_what_the_prm_likes_and_books_all_samples() -> None:
    """Among eight sampled drafts one without a wrong step wins; all eight are paid for."""
    outcome = await best_of_n(SAMPLED, 8).solve("q", 0)

    assert "wrong" not in outcome.text
    assert outcome.ledger["draft"]["calls"] == 8
    assert outcome.ledger["scored_steps"] == 8 * 3


async def test_majority_takes_the_most_frequent_answer() -> None:
    """Votes are counted over extracted answers; texts without one do not vote."""
    votes: list[str] = []

    def extract(question: str, text: str) -> str | None:
        votes.append(text)
        return "wrong" if "wrong" in text else "right"

    outcome = await majority(SAMPLED, 5, extract).solve("q", 0)

    ballots = ["wrong" if "wrong" in text else "right" for text in votes[:5]]
    winner = max(set(ballots), key=ballots.count)
    assert extract("q", outcome.text) == winner
    assert outcome.ledger["draft"]["calls"] == 5


async def test_beam_search_keeps_the_best_continuations() -> None:
    """With four sampled continuations a step, the wrong one does not survive."""
    outcome = await beam_search(SAMPLED, 2, 4).solve("q", 0)

    assert outcome.text == "right 0\n\nright 1\n\nthe answer"
    ledger = outcome.ledger
    assert ledger["kept_draft_tokens"] == 6
    assert ledger["draft"]["completion_tokens"] == 6 + ledger["discarded_draft_tokens"]
