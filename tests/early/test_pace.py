"""How far ahead `lookahead="auto"` drafts: less waiting, within a stated share of waste."""

from __future__ import annotations

import pytest

from rsd_graph import Prefix, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.early.pace import Pace, Plan, Speed, average


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


def test_a_speed_is_the_best_there_was() -> None:
    """Requests that were over at once, or wrote nothing, say nothing about it."""
    speed = Speed()
    for tokens, ms in [(0, 1.0), (4, 0.0), (4, 20.0), (4, 40.0)]:
        speed.learn(usage(completion_tokens=tokens, ms=ms))

    assert speed == Speed(fastest_token_ms=5.0)


@pytest.mark.parametrize(
    ("speed", "seconds", "tokens"),
    [(Speed(), 0.0, 900), (Speed(5.0), 0.021, 5), (Speed(5.0), 1.0, 200), (Speed(5.0), 9.0, 900)],
)
def test_what_a_cancelled_request_can_have_written(
    speed: Speed, seconds: float, tokens: int
) -> None:
    """A token that was begun counts; never more than was asked for, which is all that is known
    before the first step.
    """
    request = StepRequest(Prefix([]), max_tokens=900)

    assert speed.tokens_since(100.0, 100.0 + seconds, request) == tokens


def test_what_is_measured_is_averaged() -> None:
    """The first value counts in full, the others for a tenth; the best is kept."""
    found = Pace(0.1)
    for tokens, ms in [(20, 100.0), (40, 400.0)]:
        found.drafted(candidate("step", cost=usage(completion_tokens=tokens, ms=ms)))
    for ms in (30.0, 20.0, 50.0):
        found.decided(ms, 0, rejected=False)

    assert (found.step_ms, found.step_tokens) == pytest.approx((130.0, 22.0))
    assert (found.speed.fastest_token_ms, found.fastest_verdict_ms) == (5.0, 20.0)
    assert found.verdict_ms == pytest.approx(31.1)
    assert average(10.0, 20.0, weight=0.5) == 15.0


def measured(**more: object) -> Pace:
    """Steps of 100 ms and verdicts of a second."""
    known = {"acceptance": 0.85, "step_ms": 100.0, "verdict_ms": 1000.0, "rereads": True}
    return Pace(**{"max_waste": 0.1, **known, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seen", "plan", "saved"),
    [
        ({}, Plan(2, 0), 2 * (0.1 - 0.15 / 2)),
        ({"verdict_ms": 30.0}, Plan(1, 2), 0.1 - 0.045 / 1.045),
        ({"verdict_ms": 30.0, "saved_steps": 9.99}, Plan(1, 2), 10.0),
        ({"max_waste": 0.0}, Plan(1, 0), 0.0),
        ({"saved_steps": 2.0}, Plan(2, 0), 2.0 + 2 * (0.1 - 0.15 / 2)),
        ({"saved_steps": 2.2}, Plan(3, 0), 2.2 + 3 * (0.1 - 0.4275 / 3)),
        ({"max_waste": 0.25, "acceptance": 0.5}, Plan(2, 0), 0.0),
        (
            {"max_waste": 1.0, "acceptance": 0.5, "verdict_ms": 250.0},
            Plan(2, 3),
            2 * (1 - 2.375 / 3.875),
        ),
    ],
)
def test_each_lap_is_booked_with_what_it_is_expected_to_waste(
    seen: dict[str, float], plan: Plan, saved: float
) -> None:
    """What it saves of what is allowed may be spent later, up to ten steps."""
    found = measured(**seen)

    assert found.plan() == plan
    assert found.saved_steps == pytest.approx(saved)


@pytest.mark.parametrize(
    ("seen", "plan"),
    [
        ({"step_ms": 150.0}, Plan(1, 2)),
        ({"step_ms": 151.0}, Plan(1, 0)),
        ({"step_ms": 151.0, "rereads": True}, Plan(1, 2)),
        ({"verdict_ms": 600.0}, Plan(2, 0)),
        ({"verdict_ms": 601.0}, Plan(1, 0)),
        ({"verdict_ms": 601.0, "saved_steps": 10.0}, Plan(1, 0)),
        ({"verdict_ms": 601.0, "max_waste": 0.3}, Plan(1, 2)),
        ({"verdict_ms": 601.0, "rereads": True}, Plan(2, 0)),
        ({"verdict_ms": 0.0}, Plan(1, 1)),
        ({"step_ms": 0.0}, Plan(1, 1)),
    ],
)
def test_others_are_in_the_way_from_a_border_on(seen: dict[str, float], plan: Plan) -> None:
    """One and a half times the best time of a draft, twice that of a verdict: of a PRM that reads
    its cache.
    """
    quiet = {"step_ms": 100.0, "step_tokens": 20.0, "verdict_ms": 40.0, "rereads": False}
    speed = Speed(fastest_token_ms=5.0)

    found = measured(**{**quiet, "fastest_verdict_ms": 300.0, "speed": speed, **seen})

    assert found.plan() == plan
