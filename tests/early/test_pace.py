"""How far ahead `lookahead="auto"` drafts: less waiting, within a stated share of waste."""

from __future__ import annotations

import pytest

from rsd_graph import candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.early.pace import Pace, Plan


def pace(verdict_ms: float, acceptance: float, max_waste: float = 0.1) -> Pace:
    """A pace that has seen 100 ms steps, verdicts this slow and of this kind, a rereading PRM."""
    found = Pace(max_waste, acceptance=acceptance, rereads=True)
    found.drafted(candidate("step", cost=usage(completion_tokens=20, ms=100.0)))
    found.decided(verdict_ms, 0, rejected=False)
    return found


def test_before_anything_is_known_one_step_is_drafted_ahead() -> None:
    """The first lap of a fresh drafter."""
    assert Pace(0.1).plan() == Plan(1, 1)


def test_a_fast_prm_is_hidden_behind_the_next_step() -> None:
    """Verdicts shorter than a step: every step is scored at once, while the draft writes on."""
    assert pace(30.0, 0.85).plan() == Plan(1, 2)


def test_a_slow_prm_is_asked_about_runs() -> None:
    """Verdicts of ten steps' time: the longest run whose tail may be wasted, none beyond it."""
    assert pace(1000.0, 0.85).plan() == Plan(2, 0)


def test_the_surer_the_draft_the_longer_the_runs() -> None:
    """With 99 % accepted, long runs and drafting on cost next to nothing."""
    assert pace(1000.0, 0.99).plan() == Plan(7, 8)
    assert pace(300.0, 0.99).plan() == Plan(3, 4)


def test_no_waste_allowed_is_the_sequential_loop() -> None:
    """`max_waste=0` drafts one step and waits."""
    assert pace(1000.0, 0.85, max_waste=0.0).plan() == Plan(1, 0)


@pytest.mark.parametrize("max_waste", [0.05, 0.1, 0.3])
def test_over_time_the_plans_waste_what_is_allowed_and_no_more(max_waste: float) -> None:
    """Whatever is saved on one lap may be spent on another; the mean stays."""
    found = pace(1000.0, 0.85, max_waste)
    plans = [found.plan() for _ in range(500)]

    drafted = sum(plan.run for plan in plans)
    settled = sum(sum(0.85**step for step in range(plan.run)) for plan in plans)

    assert 1 - settled / drafted == pytest.approx(max_waste, rel=0.15)


def test_acceptance_follows_the_verdicts() -> None:
    """Rejections make it careful, acceptances bold; neither at once."""
    found = Pace(0.1, acceptance=0.8)

    found.decided(10.0, 3, rejected=True)

    assert found.acceptance == pytest.approx((0.8 * 0.98**3 + 1 - 0.98**3) * 0.98)


def cached(*verdicts: float, steps: tuple[float, ...] = (100.0,)) -> Pace:
    """A pace whose PRM reads its prefix cache; it has seen these times, in milliseconds."""
    found = Pace(0.1, acceptance=0.85)
    for ms in steps:
        found.drafted(candidate("step", cost=usage(completion_tokens=20, ms=ms)))
    for ms in verdicts:
        found.decided(ms, 0, rejected=False)
    return found


def test_a_slow_prm_that_nobody_else_asks_is_asked_about_runs() -> None:
    """Cached or not: verdicts always took ten steps' time, so there is no queue to make longer."""
    assert cached(1000.0).plan() == Plan(2, 0)


def test_a_prm_with_a_queue_and_a_cache_is_asked_about_single_steps() -> None:
    """20 ms on a quiet server, 300 now: a run saves it nothing, and its end may be in vain."""
    assert cached(20.0, *[300.0] * 50).plan() == Plan(1, 0)
    assert cached(20.0, *[300.0] * 50, *[20.0] * 50).plan() == Plan(1, 2)


def test_a_short_queue_is_hidden_behind_the_next_step() -> None:
    """60 instead of 20 ms: the next draft takes longer than that, and little of it is in vain."""
    assert cached(20.0, *[60.0] * 50).plan() == Plan(1, 2)


def test_nothing_is_drafted_ahead_while_the_draft_is_the_bottleneck() -> None:
    """Steps of 100 ms on a quiet server that now take 200."""
    assert cached(20.0, steps=(100.0, *[200.0] * 50)).plan() == Plan(1, 0)
    assert cached(20.0, steps=(100.0, *[110.0] * 50)).plan() == Plan(1, 2)
