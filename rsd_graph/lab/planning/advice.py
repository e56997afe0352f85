"""Which division of the GPUs is best, whether RSD pays there, and how sure that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.lab.latency.hardware import (
    API_MS,
    MFU,
    Model,
    Preset,
    Served,
    serve,
    step_pooling,
)
from rsd_graph.lab.planning.layouts import Room, layouts, layouts_alone
from rsd_graph.lab.planning.mean_value import Forecast, Traffic, forecast, forecast_alone
from rsd_graph.lab.planning.question import Question
from rsd_graph.lab.statistics import Estimate

Pooling = Literal["last token", "step pooling"]

_POOLINGS: tuple[Pooling, ...] = ("last token", "step pooling")

SWEPT = {"mfu": (0.3, MFU, 0.7), "api_ms": (1.0, API_MS, 6.0), "overhead": (0.5, 1.0)}
"""What is assumed of the hardware, and tried: share of the peak FLOP/s, CPU milliseconds of a
request, and how much of the derived overhead of a pass is left in newer servers."""


@dataclass(frozen=True, slots=True)
class Option:
    """One PRM, one way to serve it, and the best layout for it."""

    prm: str
    pooling: Pooling
    layout: Preset
    expected: Forecast


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do, and what to expect of it. Ranges are over all that is assumed.

    Attributes:
        options: The best one first.
        alone: The best way to serve the target alone on the same GPUs.
        expected_alone: What to expect of that; `None` if it cannot keep up.
        expected_ideal: The same if one target could share all GPUs at no cost.
        ratio: How many times faster RSD is than the target alone: in throughput where answers in
            flight are given, in latency where answers per second are; `None` if the target alone
            cannot keep up.
        per_second: Answers per second.
        seconds: Mean latency.
        money: Of 1,000 answers; `None` without a price.
        money_alone: The same of the target alone.
        overrun: Under how many of the swept assumptions RSD cannot keep up.
    """

    question: Question
    options: Sequence[Option]
    alone: Served
    expected_alone: Forecast | None
    expected_ideal: Forecast | None
    ratio: Estimate | None
    per_second: Estimate
    seconds: Estimate
    money: Estimate | None
    money_alone: Estimate | None
    overrun: int

    @property
    def best(self) -> Option:
        """What to run, if anything of RSD."""
        return self.options[0]

    @property
    def verdict(self) -> Literal["pays", "does not pay", "depends"]:
        """Whether RSD is faster than the target alone, under all, none or some assumptions."""
        if self.overrun or (self.ratio and self.ratio.low < 1 <= self.ratio.high):
            return "depends"
        return "does not pay" if self.ratio and self.ratio.high < 1 else "pays"


def advise(question: Question) -> Advice:
    """The best layout, and how it compares.

    Raises:
        ConfigurationError: The models do not fit, or RSD does not keep up with the traffic.
    """
    room = Room.of(question.workload, _in_flight(question))
    options = sorted(_options(question, room), key=lambda option: option.expected.seconds)
    if not options:
        raise _overrun(question)
    alone, expected_alone = _best_alone(question, room)
    base, pairs = options[0].expected, list(_swept(question, options[0].layout, alone))
    kept, others = [rsd for rsd, _ in pairs if rsd], [other for _, other in pairs if other]
    both = [other.seconds / rsd.seconds for rsd, other in pairs if rsd and other]
    rate = _rates(base, kept)
    return Advice(
        question=question,
        options=options,
        alone=alone,
        expected_alone=expected_alone,
        expected_ideal=_ideal(question, alone),
        ratio=_range(expected_alone.seconds / base.seconds, both) if expected_alone else None,
        per_second=rate,
        seconds=_range(base.seconds, [rsd.seconds for rsd in kept]),
        money=_money(question, rate),
        money_alone=_money(question, _rates(expected_alone, others)) if expected_alone else None,
        overrun=len(pairs) - len(kept),
    )


def _in_flight(question: Question) -> float:
    """Answers in flight; where answers per second are given, as the target alone would have."""
    traffic = question.traffic
    if traffic.in_flight is not None:
        return traffic.in_flight
    one = forecast_alone(serve(question.target, question.gpu), question.workload, Traffic(1))
    return max(1.0, (traffic.per_second or 0.0) * (one.seconds if one else 1.0))


def _options(question: Question, room: Room) -> Iterator[Option]:
    """Every PRM that fits, served in both ways, in its best layout.

    Raises:
        ConfigurationError: None of them fits.
    """
    refused = []
    for prm in question.prms:
        models: Mapping[Role, Model] = {
            "draft": question.draft,
            "target": question.target,
            "prm": prm,
        }
        try:
            found = layouts(models, question.gpu, question.count, room)
        except ConfigurationError as error:
            refused.append(error)
            continue
        for pooling in _POOLINGS:
            yield from _best(question, prm, pooling, [_pooled(one, pooling) for one in found])
    if len(refused) == len(question.prms):
        raise refused[0]


def _best(
    question: Question, prm: Model, pooling: Pooling, found: Sequence[Preset]
) -> Iterator[Option]:
    """The fastest of these layouts, if any keeps up."""
    expected = ((one, forecast(one, question.workload, question.traffic)) for one in found)
    kept = [Option(prm.name, pooling, layout, one) for layout, one in expected if one]
    if kept:
        yield min(kept, key=lambda option: option.expected.seconds)


def _pooled(layout: Preset, pooling: Pooling) -> Preset:
    return layout.changed(step_pooling, "prm") if pooling == "step pooling" else layout


def _best_alone(question: Question, room: Room) -> tuple[Served, Forecast | None]:
    """The fastest way to serve the target alone, or any if none keeps up."""
    found = layouts_alone(question.target, question.gpu, question.count, room)
    expected = [(one, forecast_alone(one, question.workload, question.traffic)) for one in found]
    kept = [(served, one) for served, one in expected if one]
    return min(kept, key=lambda pair: pair[1].seconds) if kept else (found[0], None)


def _ideal(question: Question, alone: Served) -> Forecast | None:
    """One target on all GPUs, as if joining its results cost nothing more."""
    one = replace(alone, replicas=1).on(question.count)
    return forecast_alone(one, question.workload, question.traffic)


def _swept(
    question: Question, layout: Preset, alone: Served
) -> Iterator[tuple[Forecast | None, Forecast | None]]:
    """RSD and the target alone under every combination of what may be assumed."""
    shares = {question.rejected.low, question.workload.rejects, question.rejected.high}
    for mfu, api_ms, overhead, rejects in product(*SWEPT.values(), shares):
        workload = replace(question.workload, rejects=rejects)

        def assumed(
            served: Served, mfu: float = mfu, api_ms: float = api_ms, overhead: float = overhead
        ) -> Served:
            return replace(
                served,
                token_ms=served.token_ms * MFU / mfu,
                api_ms=api_ms,
                pass_ms=served.pass_ms * overhead,
            )

        yield (
            forecast(layout.changed(assumed), workload, question.traffic),
            forecast_alone(assumed(alone), workload, question.traffic),
        )


def _rates(base: Forecast, others: Sequence[Forecast]) -> Estimate:
    return _range(base.per_second, [other.per_second for other in others])


def _range(value: float, others: Sequence[float]) -> Estimate:
    return Estimate(value, min(value, *others), max(value, *others))


def _money(question: Question, rate: Estimate) -> Estimate | None:
    """Of 1,000 answers: the slower, the dearer."""
    if question.gpu_hour is None:
        return None
    hour = question.gpu_hour * question.count * 1000 / 3600
    return Estimate(hour / rate.value, hour / rate.high, hour / rate.low)


def _overrun(question: Question) -> ConfigurationError:
    return ConfigurationError(
        f"RSD does not keep up with {question.traffic.per_second:g} answers a second on "
        f"{question.count} x {question.gpu.name}.",
        expected="less than the models can settle",
        hint="Take more GPUs, or ask with --in-flight what they can do.",
    )
