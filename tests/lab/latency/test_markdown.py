"""The report says what was measured, and a miss is shown as a miss."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import ConfigurationError
from rsd_graph.lab.latency.claims import claims, hedges
from rsd_graph.lab.latency.hardware import presets
from rsd_graph.lab.latency.markdown import markdown, write
from rsd_graph.lab.latency.measure import HEDGED, latency
from rsd_graph.lab.latency.suite import QUICK, conditions, plan_for
from rsd_graph.lab.latency.workload import Workload


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """A small run of the one experiment that every report has."""
    workload = Workload(steps=4)
    rows, bound = latency(presets()["1.5b-7b-a100"], workload, (*QUICK.arms, HEDGED), range(2))
    found: dict[str, Any] = {key: [] for key in ("throughput", "growth", "sensitivity", "wire")}
    return found | {
        "conditions": conditions(QUICK),
        "latency": [asdict(row) for row in rows],
        "bounds": [{"preset": "1.5b-7b-a100", "rejects": 0.15, **asdict(bound)}],
        "overhead": [],
        "real": [],
    }


def test_the_report_says_first_that_it_is_a_simulation(results: dict[str, Any]) -> None:
    """Nobody takes these numbers for measurements of GPUs."""
    assert "latency SIMULATION" in markdown(results).splitlines()[2]


def test_a_claim_that_does_not_hold_is_reported_as_such(results: dict[str, Any]) -> None:
    """With look-ahead made slow, the bound claim says no."""
    slow = [{**row, "per_bound": 1.5, "mean": 100.0} for row in results["latency"]]

    held = [claim.holds for claim in claims({**results, "latency": slow})]

    assert held == [False] * 5
    assert "**no**" in markdown({**results, "latency": slow})


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
    assert plan_for(True, "7b-72b-h100") == replace(
        QUICK,
        presets=("7b-72b-h100",),
        loaded_presets=("7b-72b-h100",),
        wire_preset="7b-72b-h100",
    )
    with pytest.raises(ConfigurationError, match="no preset 'tpu'"):
        plan_for(True, "tpu")
