"""Every delta answered from one pass, worked by hand."""

from __future__ import annotations

import pytest

from rsd_graph.answer.flops import PerRole
from rsd_graph.answer.ledger import Usage, add, empty_ledger, usage
from rsd_graph.answer.prices import Price, Prices
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.calibration.one_pass import Answered, Sample, Trial
from rsd_graph.lab.calibration.sweep import expected, point, sweep
from rsd_graph.lab.statistics import wilson_interval

TOKENS = Accounting()
EVEN = Sample([Trial("q", [n / 1000], [10]) for n in range(1000)])
"""A thousand prompts of one step each, rewards spread evenly over [0, 1)."""

SPENT = add(
    empty_ledger(),
    {
        "draft": usage(prompt_tokens=100, completion_tokens=40, calls=3, ms=300),
        "prm": usage(prompt_tokens=200, completion_tokens=0, calls=3, ms=600),
        "scored_steps": 3,
    },
)
CACHED = usage(prompt_tokens=50, completion_tokens=80, cached_tokens=10, ms=4000)
"""The target's own answer, from a server that reports its cache."""


def trial(
    rewards: list[float | None], *, right: bool, target_right: bool, own: Usage = CACHED
) -> Trial:
    tokens = [10, 20, 10][: len(rewards)]
    own_answer = Answered(target_right, add(empty_ledger(), {"target": own}))
    return Trial("q", rewards, tokens, right, SPENT, own_answer)


def test_the_sweep_answers_every_delta_offline() -> None:
    """At the median reward, half of the steps would go to the target, as the draft wrote them."""
    middle = sweep(EVEN, TOKENS, points=3)[1]

    assert middle.delta == 0.499
    assert middle.target_share == pytest.approx(0.499)
    assert middle.target_tokens == pytest.approx(4.99)
    assert (middle.accuracy, middle.seconds) == (None, None)
    assert middle.cost == middle.target_tokens


def test_the_sweep_tells_draft_alone_from_accuracy() -> None:
    """A question counts as the draft's alone only if all its rewards reach delta."""
    rewards = [([0.9, 0.8], True), ([0.9, 0.2], False), ([0.95], False)]
    sample = Sample([Trial("q", r, [1] * len(r), right) for r, right in rewards])

    found = point(sample, 0.8, TOKENS)

    assert found.draft_alone == pytest.approx(2 / 3)
    assert found.draft_alone_accuracy == 0.5
    assert found.accuracy is None  # of the other question nobody knows how the target ends it


def test_a_question_ends_like_the_draft_or_like_the_target() -> None:
    """Untouched, the draft's verdict stands; with one step rewritten, the target's."""
    good_draft = trial([0.9, 0.4, 0.9], right=True, target_right=False)
    bad_draft = trial([0.9, 0.2, 0.9], right=False, target_right=True)
    sample = Sample([good_draft, bad_draft])

    accuracies = [point(sample, delta, TOKENS).accuracy for delta in (0.1, 0.3, 0.5)]

    # Nothing rewritten: 1 of 2. Only the bad one: 2 of 2. Both: the target spoils the good one.
    assert accuracies == [wilson_interval(k, 2) for k in (1, 2, 1)]


def test_a_step_nobody_can_score_is_the_targets_at_every_delta() -> None:
    """So is the verdict."""
    cut = trial([0.9, None], right=True, target_right=False)

    found = expected(cut, 0.0)

    assert found.right is False
    assert found.ledger["target_steps"] == 1


def test_the_target_writes_its_share_of_its_own_answer() -> None:
    """Steps of 10, 20 and 10 draft tokens: the second is half of the target's 80 tokens."""
    found = expected(trial([0.9, 0.4, 0.9], right=True, target_right=True), 0.5)

    assert found.ledger["target"] == usage(
        # the question, and the first quarter of the answer
        prompt_tokens=50 + 20,
        cached_tokens=0,
        completion_tokens=40,
        ms=2000,
    )
    assert (found.ledger["accepted_steps"], found.ledger["target_steps"]) == (2, 1)
    assert found.seconds == pytest.approx(0.3 + 0.6 + 2.0)


def test_what_the_target_has_read_before_is_cached_if_its_server_says_so() -> None:
    """The second request finds the question and the answer up to the end of the first step."""
    both = [0.4, 0.9, 0.4]
    silent = usage(prompt_tokens=50, completion_tokens=80)

    told = expected(trial(both, right=True, target_right=True), 0.5).ledger["target"]
    untold = expected(trial(both, right=True, target_right=True, own=silent), 0.5).ledger["target"]

    # Requests at 0 and at three quarters of the answer, 20 tokens each.
    assert told["prompt_tokens"] == untold["prompt_tokens"] == 50 + (50 + 60)
    assert told["completion_tokens"] == untold["completion_tokens"] == 20 + 20
    assert told["cached_tokens"] == 50 + 20
    assert (untold["cached_tokens"], untold["cache_unreported_calls"]) == (0, 2)


def test_costs_are_in_the_best_unit_that_is_known() -> None:
    """Money, else FLOPs in full, else tokens of the target."""
    sizes = PerRole(1, 10, 2)
    prices = Prices(draft=Price(1, 2), target=Price(10, 20, 1), prm=Price(3, 3))
    sample = Sample([trial([0.9, 0.4, 0.9], right=True, target_right=True)])

    tokens, flops, money = (
        point(sample, 0.5, accounting).cost
        for accounting in (TOKENS, Accounting(sizes), Accounting(sizes, prices))
    )

    assert tokens == 40
    assert flops == 2 * (140 * 1 + (70 + 40) * 10 + 200 * 2)
    assert money == pytest.approx((100 + 40 * 2 + 70 * 10 + 40 * 20 + 200 * 3) / 1e6)
    assert [Accounting(sizes, prices).unit, Accounting(sizes).unit, TOKENS.unit] == [
        "money",
        "FLOPs in full",
        "target tokens",
    ]


def test_costs_other_than_tokens_need_the_target() -> None:
    """Without its answers nobody knows what it reads."""
    assert point(EVEN, 0.5, Accounting(PerRole(1, 10, 2))).cost is None


def test_a_larger_delta_never_costs_less() -> None:
    """Target share, tokens and cost only rise along the sweep."""
    sample = Sample(
        [trial([a / 10, b / 10, 0.9], right=True, target_right=True) for a, b in ((1, 8), (5, 3))]
    )

    found = sweep(sample, Accounting(PerRole(1, 10, 2)))

    for values in ([p.target_share for p in found], [p.cost or 0 for p in found]):
        assert values == sorted(values)
