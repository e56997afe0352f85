"""The plan's arithmetic beside the simulation it stands for."""

from __future__ import annotations

import pytest

from benchmarks.planning import point, rates
from rsd_graph.lab.latency.hardware import Served, step_pooling
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.mean_value import Forecast, Traffic, forecast, forecast_alone

PRESET = presets()["1.5b-7b-a100"]


def expected(in_flight: float) -> Forecast:
    """Of RSD on the usual preset."""
    found = forecast(PRESET, Workload(), Traffic(in_flight=in_flight))
    assert found is not None
    return found


@pytest.mark.parametrize("number", [11, 12, 17])
def test_the_plan_is_near_the_simulation(number: int) -> None:
    """Random points, small ones of the twenty of `make plan-check`: own GPUs, and shared ones."""
    found = rates(point(number))

    assert found.rsd[0] == pytest.approx(found.rsd[1], rel=0.2)
    assert found.alone[0] == pytest.approx(found.alone[1], rel=0.15)


def test_a_loaded_preset_is_near_the_simulation_too() -> None:
    """The stored benchmark's 256 answers at once: 17.0 of RSD and 19.2 of its target a second."""
    alone = forecast_alone(PRESET.target, Workload(), Traffic(in_flight=256))

    assert expected(256).per_second == pytest.approx(17.0, rel=0.15)
    assert alone is not None
    assert alone.per_second == pytest.approx(19.2, rel=0.05)


def test_more_in_flight_is_more_a_second_and_longer_for_each() -> None:
    """Whatever the load; and both agree with Little's law."""
    found = [expected(in_flight) for in_flight in (1, 8, 64, 256)]

    rates_, seconds = [one.per_second for one in found], [one.seconds for one in found]
    assert rates_ == sorted(rates_)
    assert seconds == sorted(seconds)
    assert found[2].per_second * found[2].seconds == pytest.approx(64, rel=1e-3)


def test_a_free_prm_makes_it_faster() -> None:
    """Its verdicts are on the way of an answer."""
    free = forecast(PRESET.changed(Served.free, "prm"), Workload(), Traffic(in_flight=64))

    assert free is not None
    assert free.per_second > expected(64).per_second


def test_nothing_is_drafted_ahead_of_a_crowded_draft() -> None:
    """As `auto` has it: ahead when alone, one after the other with 512 at once."""
    assert expected(1).lap.is_ahead
    assert not expected(512).lap.is_ahead


def test_a_rereading_prm_costs_throughput_and_is_asked_about_runs() -> None:
    """Behind step pooling, with 64 at once: a run of steps for each verdict."""
    slow = forecast(PRESET.changed(step_pooling, "prm"), Workload(), Traffic(in_flight=64))

    assert slow is not None
    assert slow.lap is not None
    assert slow.lap.run > 1
    assert slow.per_second < expected(64).per_second / 2


def test_more_than_can_be_settled_is_no_forecast() -> None:
    """100 answers a second overrun one A100; 1 does not, and takes what it takes alone."""
    assert forecast(PRESET, Workload(), Traffic(per_second=100)) is None

    quiet = forecast(PRESET, Workload(), Traffic(per_second=0.01))
    assert quiet is not None
    assert quiet.seconds == pytest.approx(expected(1).seconds, rel=0.05)
