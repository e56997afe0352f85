"""A fleet at work: our client's routing keeps the caches, and the loop keeps the graph's pace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.replicas_simulated import divisions, with_replicas
from rsd_graph.lab.latency.measure import loaded
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.routing import Routing
from rsd_graph.lab.latency.steady import Steady, steady
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.mean_value import Traffic, forecast

PRESET = presets()["1.5b-7b-a100"]


def at_work(routing: Routing) -> Steady:
    """Four replicas of each, 64 answers in flight."""
    return steady(
        with_replicas(PRESET, (4, 4, 4)), Workload(), 64, routing=routing, warm=1, steps=2
    )


def test_it_keeps_the_pace_of_the_graph() -> None:
    """The loop without LangGraph settles what the graph settles without look-ahead."""
    workload = Workload(steps=8)
    ours = steady(PRESET, workload, 16)
    graphs = loaded("sequential", PRESET, workload, 16)

    assert ours.per_second == pytest.approx(graphs.per_second, rel=0.15)
    assert ours.restarted == 0


def test_our_routing_is_as_good_as_the_best_and_scattering_is_not() -> None:
    """Rendezvous hashing with bounded load, answers dealt out, every request anywhere."""
    best, ours, scattered = at_work("in turn"), at_work("rendezvous"), at_work("scattered")

    assert ours.per_second > 0.9 * best.per_second
    assert ours.cached["draft"] == pytest.approx(best.cached["draft"], abs=0.03)
    assert scattered.cached["draft"] < ours.cached["draft"] / 2
    assert scattered.per_second < 0.7 * ours.per_second


def test_twice_the_fleet_answers_twice_as_many() -> None:
    """With twice the answers in flight, routed as our client routes them; the plan says so too."""
    found, planned = [], []
    for replicas, in_flight in ((2, 32), (4, 64)):
        preset = with_replicas(PRESET, [replicas] * 3)
        at = steady(preset, Workload(), in_flight, routing="rendezvous", warm=2, steps=4)
        found.append(at.per_second)
        forecasted = forecast(preset, Workload(), Traffic(in_flight=in_flight))
        planned.append(forecasted.per_second if forecasted else 0.0)

    assert found[1] == pytest.approx(2 * found[0], rel=0.1)
    assert planned[1] == pytest.approx(2 * planned[0], rel=0.01)


def test_all_gpus_are_used() -> None:
    """Every division of 10 GPUs where a target takes four of them."""
    target = replace(PRESET.target, gpus=4)

    found = set(map(tuple, divisions(replace(PRESET, target=target), 10)))

    assert found == {(1, 1, 5), (2, 1, 4), (3, 1, 3), (4, 1, 2), (5, 1, 1), (1, 2, 1)}
