"""The report says what was measured, and a miss is shown as a miss."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.lab.latency.claims import claims, hedges
from rsd_graph.lab.latency.markdown import markdown, write
from rsd_graph.lab.latency.measure import ALONE, HEDGED, latency, loaded
from rsd_graph.lab.latency.pays import comparisons, losses
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.scope import QUICK, conditions, scope_for
from rsd_graph.lab.latency.suite import SECTIONS, experiments, run_suite
from rsd_graph.lab.latency.workload import Workload


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """A small run: one answer at a time, and four at once."""
    workload, preset = Workload(steps=4), presets()["1.5b-7b-a100"]
    rows, bound = latency(preset, workload, (*QUICK.arms, HEDGED), range(2))
    arms = ("sequential", "lookahead auto", *ALONE)
    many = [loaded(arm, preset, workload, 4) for arm in arms]
    return {name: [] for name in SECTIONS} | {
        "conditions": conditions(QUICK),
        "latency": [asdict(row) for row in rows],
        "bounds": [{"preset": "1.5b-7b-a100", "rejects": 0.15, **asdict(bound)}],
        "throughput": [asdict(row) for row in many],
    }


def test_the_report_says_first_that_it_is_a_simulation(results: dict[str, Any]) -> None:
    """Nobody takes these numbers for measurements of GPUs."""
    assert "latency SIMULATION" in markdown(results).splitlines()[2]


def test_where_rsd_loses_stands_in_the_first_lines(results: dict[str, Any]) -> None:
    """The loss on all GPUs comes before any table, with its ratio."""
    (found,) = comparisons(results["throughput"])
    text = markdown(results)

    (loss,) = losses([found])
    assert found.over_all < 1 < found.over_target
    assert f"{found.over_all:.2f}x at 4 at once, of the target's throughput on all the GPUs" in loss
    assert text.index(loss) < text.index("|")


def test_nothing_is_said_of_losses_where_nothing_was_compared(results: dict[str, Any]) -> None:
    """A quick run that was stopped before the loads has no such section."""
    assert "Where RSD loses" not in markdown({**results, "throughput": []})


def test_a_claim_that_does_not_hold_is_reported_as_such(results: dict[str, Any]) -> None:
    """With everything of ours made slow, every claim says no."""
    slow = [{**row, "per_bound": 1.5, "mean": 100.0} for row in results["latency"]]
    slow = [{**row, "mean": 1.0} if row["arm"] == "lockstep" else row for row in slow]
    crawling = [
        {**row, "per_second": 0.01} if row["arm"] == "lookahead auto" else row
        for row in results["throughput"]
    ]
    worse = {**results, "latency": slow, "throughput": crawling}

    assert [claim.holds for claim in claims(worse)] == [False] * 5
    assert "**no**" in markdown(worse)


def test_the_model_whose_absence_helps_most_is_the_bottleneck(results: dict[str, Any]) -> None:
    """Freeing one model after the other names it."""
    about = {"preset": "1.5b-7b-a100", "concurrency": 4}
    rates = {"draft": 9.0, "target": 1.1, "prm": 1.2}
    free = [{**about, "free": role, "per_second": rate} for role, rate in rates.items()]

    assert "| 9.00 | 1.10 | 1.20 | draft |" in markdown({**results, "free": free})


def test_tables_and_json_hold_the_same_run(results: dict[str, Any], tmp_path: Path) -> None:
    """What is written can be read back."""
    data, text = write(results, tmp_path)

    assert json.loads(data.read_text("utf-8"))["latency"] == results["latency"]
    assert "| 1.5b-7b-a100 | 15% | lookahead 2 |" in text.read_text("utf-8")


def test_what_a_hedge_adds_and_costs_is_told(results: dict[str, Any]) -> None:
    """Seconds against look-ahead alone, and target tokens in vain beside those of the answer."""
    (found,) = hedges(results)

    plain, hedged = (
        next(row for row in results["latency"] if row["arm"] == arm)
        for arm in ("lookahead 2", HEDGED)
    )
    assert found.startswith(
        f"1.5b-7b-a100, 15 % rejected: {1 - hedged['mean'] / plain['mean']:.1%}"
    )
    assert f"{hedged['target_waste']:.0f} target tokens an answer in vain" in found


def test_one_preset_can_be_chosen_and_an_unknown_one_is_refused() -> None:
    """`--preset` narrows every experiment."""
    scope = scope_for(True, "7b-72b-h100")

    assert scope.presets == ("7b-72b-h100",)
    assert list(scope.loaded) == ["7b-72b-h100"]
    with pytest.raises(ConfigurationError, match="no preset 'tpu'"):
        scope_for(True, "tpu")


def test_progress_says_what_is_done_and_how_much_is_left() -> None:
    """Every experiment of a scope has words."""
    named = [experiment.what for experiment in experiments(replace(QUICK, wire_arms=()))]

    assert named[:3] == [
        "one answer at a time (simulated): 1.5b-7b-a100, 15% rejected",
        "one answer at a time (simulated): 7b-72b-a100, 15% rejected",
        "many at once (simulated): 7b-72b-a100, 16",
    ]


def test_a_quick_run_keeps_its_time_by_measuring_less() -> None:
    """When its seconds are over nothing more is begun, and what was left out is told and kept."""
    told: list[str] = []

    results = run_suite(replace(QUICK, seconds=1e-9), told.append)

    left_out = [experiment.what for experiment in experiments(QUICK)]
    assert results["conditions"]["left_out"] == left_out
    assert told == [f"left out, for 0 s are over: {', '.join(left_out)}"]
