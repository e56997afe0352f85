"""How far `rsd-graph plan` is from the full simulation, at 20 random points.

    make plan-check

writes `results/planning.md`. A point is drawn from models, GPUs, a division of them, how the PRM is
served, answers in flight, and what answers are like. Both sides are models of published hardware:
this says what the mean values lose against the simulation, not what either loses against a server.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.lab.latency.hardware import GPUS, Model, Preset, step_pooling
from rsd_graph.lab.latency.measure import loaded
from rsd_graph.lab.latency.tables import table
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.lab.planning.layouts import Room, layouts
from rsd_graph.lab.planning.mean_value import Traffic, forecast, forecast_alone
from rsd_graph.lab.planning.models import PRMS, model_of

RESULT = Path(__file__).parent / "results" / "planning.md"
POINTS = 20
_PAIRS = (("0.5B", "7B"), ("1.5B", "7B"), ("1.5B", "32B"), ("3B", "14B"), ("7B", "72B"))


@dataclass(frozen=True)
class Point:
    """One random question, and one way to serve it."""

    layout: Preset
    workload: Workload
    in_flight: int

    def words(self) -> list[str]:
        """What is served where, and what is asked of it."""
        roles = self.layout.roles.values()
        models = "/".join(f"{served.model.parameters:.1f}B" for served in roles)
        sizes = ", ".join(f"{served.replicas}x{served.gpus}" for served in roles)
        prm = "last token" if self.layout.prm.prefix_cache else "step pooling"
        answers = f"{self.workload.steps} x {self.workload.step_tokens}"
        shared = ", ".join(self.layout.shared) or "-"
        rejected = f"{self.workload.rejects:.0%}"
        return [self.layout.name, models, sizes, shared, prm, answers, rejected]


@dataclass(frozen=True)
class Rates:
    """Answers per second, planned and simulated, of RSD and of its target alone."""

    rsd: tuple[float, float]
    alone: tuple[float, float]


def point(number: int) -> Point:
    """The random point of this number; models that do not fit are drawn again."""
    draw = Random(f"plan {number}")
    while True:
        draft, target = draw.choice(_PAIRS)
        prm = draw.choice(PRMS)
        names: dict[Role, str] = {"draft": draft, "target": target, "prm": prm}
        models: dict[Role, Model] = {role: model_of(name) for role, name in names.items()}
        in_flight = draw.choice((1, 4, 8, 16, 32, 64))
        workload = Workload(
            rejects=draw.choice((0.05, 0.15, 0.25, 0.4)),
            steps=draw.choice((8, 18)),
            step_tokens=draw.choice((15, 22, 40)),
            question_tokens=draw.choice((60, 120, 300)),
        )
        gpu, count = draw.choice([*GPUS.values()]), draw.randint(2, 8)
        try:
            found = layouts(models, gpu, count, Room.of(workload, in_flight))
        except ConfigurationError:
            continue
        layout = draw.choice(found)
        if draw.random() < 0.25:
            layout = layout.changed(step_pooling, "prm")
        return Point(layout, workload, in_flight)


def rates(at: Point) -> Rates:
    """Both sides of one point.

    Raises:
        ConfigurationError: The plan says that it cannot be, which so many in flight always can.
    """
    traffic = Traffic(in_flight=at.in_flight)
    rsd = forecast(at.layout, at.workload, traffic)
    alone = forecast_alone(at.layout.target, at.workload, traffic)
    if rsd is None or alone is None:
        raise ConfigurationError(f"{at} is overrun.")
    simulated = [
        loaded(arm, at.layout, at.workload, at.in_flight).per_second
        for arm in ("lookahead auto", "target only")
    ]
    return Rates((rsd.per_second, simulated[0]), (alone.per_second, simulated[1]))


def report(found: dict[Point, Rates]) -> str:
    """The table, and how far the two are apart."""
    head = "GPUs|draft/target/PRM|servers|share GPUs|PRM judges|steps x tokens|rejected|at once"
    rows = [
        [*at.words(), at.in_flight, *_compared(*rate.rsd), *_compared(*rate.alone)]
        for at, rate in found.items()
    ]
    lines = [
        f"* {what}: {_spread(values)}."
        for what, values in {
            "RSD, a PRM that judges the last token": _ratios(found, cached=True),
            "RSD, a PRM behind step pooling": _ratios(found, cached=False),
            "the target alone": [rate.alone[0] / rate.alone[1] for rate in found.values()],
        }.items()
    ]
    columns = "RSD/s planned|simulated|planned over simulated"
    return "\n".join(
        [
            "# The plan beside the simulation\n",
            "Written by `make plan-check`. Both are models of published hardware.\n",
            *lines,
            "",
            table(f"{head}|{columns}|alone/s planned|simulated|planned over simulated", rows),
            "",
        ]
    )


def _compared(planned: float, simulated: float) -> list[str]:
    return [f"{planned:.2f}", f"{simulated:.2f}", f"{planned / simulated:.2f}"]


def _ratios(found: dict[Point, Rates], *, cached: bool) -> list[float]:
    return [
        rate.rsd[0] / rate.rsd[1]
        for at, rate in found.items()
        if at.layout.prm.prefix_cache == cached
    ]


def _spread(ratios: list[float]) -> str:
    off = median(abs(ratio - 1) for ratio in ratios)
    ends = f"{min(ratios):.2f} to {max(ratios):.2f}"
    return f"planned over simulated {ends}, {off:.1%} off in the median of {len(ratios)}"


if __name__ == "__main__":
    measured = {}
    for number in range(POINTS):
        measured[point(number)] = rates(point(number))
        print(f"{number + 1}/{POINTS}", flush=True)
    RESULT.write_text(report(measured), encoding="utf-8")
    print(RESULT)
