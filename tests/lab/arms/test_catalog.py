"""Arms by name, and the ones that only exist there."""

from __future__ import annotations

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.lab.arms.arm import Arm
from rsd_graph.lab.arms.catalog import named_arm
from rsd_graph.lab.arms.oracle import advantage_oracle
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.scripted import FunctionStepModel
from tests.helpers.counted_models import draft_writes, setup

SETUP = setup()
SURE = FunctionStepModel(lambda request: {**draft_writes(request), "logprob": -1.0})


def arm_of(name: str, made_from: Setup = SETUP) -> Arm:
    return named_arm(name, made_from, lambda question, text: text)


@pytest.mark.parametrize(
    ("name", "arm"),
    [
        ("draft", "draft only"),
        ("target", "target only"),
        ("rsd", "RSD 0.7"),
        ("rsd:0.85", "RSD 0.85"),
        ("constant:0.9", "RSD constant(p=0.9)"),
        ("clipping", "RSD clipping()"),
        ("sigmoidal", "RSD sigmoidal()"),
        ("logistic:10:0.6", "RSD logistic(alpha=10.0, delta=0.6)"),
        ("random:0.25", "random mixing, target share 25.0%"),
        ("share:0.1", "RSD adaptive, target share 10.0%"),
        ("difficulty:0.9:0.5", "RSD adaptive, difficulty 0.9/0.5"),
        ("majority:4", "majority@4"),
        ("best-of:4", "best-of-4 (min)"),
        ("best-of:4:last", "best-of-4 (last)"),
        ("process-best-of:8", "process best-of-8"),
        ("beam:2x4", "beam search 2x4"),
        ("oracle", "advantage oracle"),
    ],
)
async def test_every_arm_has_a_name_and_answers(name: str, arm: str) -> None:
    """What the help lists can be run, and is called in the table what it is."""
    made = arm_of(name)

    outcome = await made.solve("q", 0)

    assert made.name == arm
    assert outcome.text.endswith("the answer")
    assert outcome.finish_reason == "stop"


async def test_another_scorer_is_an_arm() -> None:
    """As an endpoint string spells it; `prm` in it is the run's own."""
    always = arm_of("verdict:0.7:cascade:0.0,2.0,free:mean,prm", SETUP.with_models(draft=SURE))

    outcome = await always.solve("q", 0)

    assert always.name == "RSD 0.7, cascade:0.0,2.0,free:mean,prm"
    assert outcome.text == (await arm_of("rsd").solve("q", 0)).text
    assert outcome.ledger["prm"]["calls"] == outcome.ledger["scored_steps"] == 3


async def test_the_target_has_a_budget() -> None:
    """All drafts are bad to a delta of 2; a share of nothing lets the target write once."""
    arm = arm_of("verdict:1:capped:0,so-far:min,prm")

    outcome = await arm.solve("q", 0)

    assert [step["source"] for step in outcome.steps].count("target") <= 1
    assert outcome.finish_reason == "stop"


async def test_each_phase_has_a_delta() -> None:
    """Thoughts below 0 do not exist, so all stand; answers are judged by the run's own PRM."""
    thinking = SETUP.with_options(thinking="on")

    outcome = await arm_of("phases:0:0.7:prm", thinking).solve("q", 0)

    thoughts = [step for step in outcome.steps if step["phase"] == "thinking"]
    assert [step["source"] for step in thoughts] == ["draft"] * 3
    assert "wrong 1" in [step["text"] for step in thoughts]
    assert outcome.steps[-1]["phase"] == "answer"


async def test_first_token_entropy_is_an_arm_of_its_authors_name() -> None:
    """The threshold is theirs, in nats."""
    assert arm_of("glimprouter:0.5").name == "GlimpRouter, entropy 0.5"


async def test_what_is_started_early_is_part_of_the_setup() -> None:
    """Look-ahead and hedge of a run hold for its RSD arms, and stand in their names."""
    arm = arm_of("rsd", SETUP.with_options(lookahead=2, hedge=0))

    assert arm.name == "RSD 0.7, lookahead 2, hedge 0"
    assert (await arm.solve("q", 0)).text == (await arm_of("rsd").solve("q", 0)).text


@pytest.mark.parametrize(
    "name", ["rsdd", "rsd:high", "majority", "majority:0", "best-of:4:most", "beam:2", "draft:3"]
)
def test_a_name_that_means_nothing_is_refused(name: str) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match=r"there is no arm|cannot be read"):
        arm_of(name)


def test_only_a_plain_threshold_has_a_delta() -> None:
    """The delta sweep is drawn from arms that one threshold decides, and from no others."""
    names = ["rsd:0.8", "logistic:10:0.6", "share:0.1", "random:0.2"]

    assert [arm_of(name).delta for name in names] == [0.8, None, None, None]


async def test_the_oracle_takes_the_better_step_and_books_both() -> None:
    """The target's step stands only where its reward is higher; both are paid for everywhere."""
    outcome = await advantage_oracle(setup()).solve("q", 0)

    assert [step["source"] for step in outcome.steps] == ["draft", "target", "draft"]
    assert outcome.steps[1]["rejected_text"] == "wrong 1"
    ledger = outcome.ledger
    assert (ledger["draft"]["calls"], ledger["target"]["calls"]) == (3, 3)
    assert (ledger["accepted_steps"], ledger["target_steps"]) == (2, 1)
    assert (ledger["kept_draft_tokens"], ledger["discarded_draft_tokens"]) == (4, 2)
    assert ledger["scored_steps"] == 6
