"""An advice as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from rsd_graph.lab.latency.hardware import Preset, Served
from rsd_graph.lab.planning.advice import SWEPT, Advice, Option
from rsd_graph.lab.planning.mean_value import Forecast
from rsd_graph.lab.planning.servers import before, servers
from rsd_graph.lab.statistics import Estimate


def as_data(advice: Advice) -> dict[str, object]:
    """All of it, ready for JSON. Ranges are over everything that is assumed."""
    question, best = advice.question, advice.best
    workload = question.workload
    tokens = workload.question_tokens + workload.steps * workload.step_tokens
    return {
        "verdict": advice.verdict,
        "model": "mean values of published hardware; not a measurement",
        "ratio": _range(advice.ratio),
        "ratio_of": "throughput" if question.traffic.in_flight is not None else "latency",
        "per_second": _range(advice.per_second),
        "seconds": _range(advice.seconds),
        "money_per_1000": _range(advice.money),
        "overrun": advice.overrun,
        "target_alone": {
            "layout": _layout_of(advice.alone),
            **_expected(advice.expected_alone),
            "money_per_1000": _range(advice.money_alone),
            "ideally_shared": _expected(advice.expected_ideal),
        },
        "gpus": {"kind": question.gpu.name, "count": question.count},
        "models": {role: served.model.name for role, served in best.layout.roles.items()},
        "lookahead": "auto",
        **_option(best),
        "options": [_option(option) for option in advice.options],
        "rejected": _range(question.rejected),
        "steps": workload.steps,
        "step_tokens": workload.step_tokens,
        "question_tokens": workload.question_tokens,
        "assumed": {name: list(values) for name, values in SWEPT.items()},
        "before": before(best.layout),
        "servers": [asdict(server) for server in servers(best.layout, question.gpu, tokens)],
    }


def _option(option: Option) -> dict[str, object]:
    return {
        "prm": option.prm,
        "pooling": option.pooling,
        "drafts_ahead": bool(option.expected.lap and option.expected.lap.is_ahead),
        "layout": _layout(option.layout),
        "shared": list(option.layout.shared),
        "expected": _expected(option.expected),
    }


def _layout(layout: Preset) -> Mapping[str, object]:
    return {role: _layout_of(served) for role, served in layout.roles.items()}


def _layout_of(served: Served) -> dict[str, int]:
    return {"servers": served.replicas, "gpus_each": served.gpus}


def _expected(forecast: Forecast | None) -> dict[str, float | None]:
    if forecast is None:
        return {"per_second": None, "seconds": None}
    return {"per_second": forecast.per_second, "seconds": forecast.seconds}


def _range(estimate: Estimate | None) -> dict[str, float] | None:
    if estimate is None:
        return None
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
