"""How much one benchmark run measures, and under which conditions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

from rsd_graph.answer.options import Lookahead
from rsd_graph.errors import ConfigurationError
from rsd_graph.lab.latency.hardware import API_MS, MFU
from rsd_graph.lab.latency.measure import ALONE
from rsd_graph.lab.latency.overhead import PYTHONS_GC
from rsd_graph.lab.latency.presets import presets
from rsd_graph.lab.latency.workload import Workload
from rsd_graph.runtime.garbage import OBJECTS_BETWEEN_COLLECTIONS

_RSD = ("sequential", "lookahead auto")


@dataclass(frozen=True, slots=True)
class Scope:
    """How much is measured. Presets by name; counts of answers or steps; 0 or empty for none.

    Attributes:
        loaded: Arms and answers in flight, by preset.
        probed: Presets whose models are made free one by one, and whose assumptions are swept, at
            these loads.
        overheads: Our own CPU time is taken with this look-ahead, over so many steps, and so many
            new objects between garbage collections.
        seconds: Nothing more is begun after so many, on a busy machine either; `None` for all.
    """

    presets: Sequence[str]
    rejects: Sequence[float]
    arms: Sequence[str]
    answers: int
    loaded: Mapping[str, tuple[Sequence[str], Sequence[int]]]
    growth_presets: Sequence[str]
    growth_rejects: Sequence[float]
    growth_steps: Sequence[int]
    probed: Mapping[str, Sequence[int]]
    wire_arms: Sequence[str]
    wire_answers: int
    overheads: Sequence[tuple[Lookahead, int, int]]
    real_answers: int
    wire_preset: str = "1.5b-7b-h100"
    seconds: float | None = None


_LOADS = (1, 4, 16, 64, 256, 512)
_UP_TO_256 = _LOADS[:-1]
_FEWER = (1, 16, 64, 256)

FULL = Scope(
    presets=("1.5b-7b-a100", "1.5b-7b-h100", "7b-72b-a100", "7b-72b-h100"),
    rejects=(0.05, 0.15, 0.4),
    arms=("lockstep", *_RSD, "lookahead 2", *ALONE),
    answers=32,
    loaded={
        "1.5b-7b-a100": (("lockstep", *_RSD, *ALONE), _LOADS),
        "1.5b-7b-a100-step": (("lookahead auto",), _FEWER),
        "1.5b-7b-a100-prm1.5b": (_RSD, _UP_TO_256),
        "1.5b-7b-a100-shared": (_RSD, _UP_TO_256),
        "1.5b-7b-h100": ((*_RSD, *ALONE), _FEWER),
        "1.5b-7b-h100-shared": (_RSD, _FEWER),
        "7b-72b-a100": (("lockstep", *_RSD, *ALONE), _LOADS),
        "7b-72b-a100-step": (("lookahead auto",), _FEWER),
        "7b-72b-a100-prm1.5b": (_RSD, _FEWER),
        "7b-72b-a100-packed": (_RSD, _LOADS),
        "7b-72b-h100": ((*_RSD, *ALONE), _FEWER),
        "7b-72b-h100-packed": (_RSD, _FEWER),
    },
    growth_presets=("1.5b-7b-a100", "1.5b-7b-a100-step"),
    growth_rejects=(0.0, 0.05, 0.15, 0.4),
    growth_steps=(12, 24, 48, 96),
    probed={"1.5b-7b-a100": (1, 64, 256), "7b-72b-a100": (1, 64, 256)},
    wire_arms=("sequential", "lookahead 2", "lookahead auto"),
    wire_answers=8,
    overheads=(
        (0, 5_000, PYTHONS_GC),
        (0, 5_000, OBJECTS_BETWEEN_COLLECTIONS),
        (2, 100_000, OBJECTS_BETWEEN_COLLECTIONS),
    ),
    real_answers=48,
)
QUICK = Scope(
    presets=("1.5b-7b-a100", "7b-72b-a100"),
    rejects=(0.15,),
    arms=("lockstep", "lookahead 2", "lookahead auto"),
    answers=4,
    loaded={"7b-72b-a100": (("lookahead auto", *ALONE), (16,))},
    growth_presets=(),
    growth_rejects=(),
    growth_steps=(),
    probed={},
    wire_arms=("lookahead auto",),
    wire_answers=2,
    overheads=(),
    real_answers=4,
    seconds=30,
)


def scope_for(quick: bool, preset: str | None) -> Scope:
    """All of it or the quick part, for all presets or one.

    Raises:
        ConfigurationError: There is no such preset.
    """
    scope = QUICK if quick else FULL
    if preset is None:
        return scope
    if preset not in presets():
        raise ConfigurationError(f"no preset {preset!r}.", expected=", ".join(presets()))
    loads = (16,) if quick else _LOADS
    return replace(
        scope,
        presets=(preset,),
        loaded={preset: ((*_RSD, *ALONE), loads)},
        growth_presets=(preset,) if scope.growth_presets else (),
        probed={preset: loads[-2:]} if scope.probed else {},
    )


def conditions(scope: Scope) -> dict[str, object]:
    """What the numbers were taken with."""
    packages = ("rsd-graph", "langgraph", "langchain-core", "openai", "aiohttp")
    return {
        "simulated": {name: presets()[name].hardware for name in (*scope.presets, *scope.loaded)},
        "mfu": MFU,
        "api_ms": API_MS,
        "workload": asdict(Workload()),
        "answers_per_latency_row": scope.answers,
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "load_average": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
        "date": time.strftime("%Y-%m-%d"),
    }


def _processor() -> str:
    """Its name, where Linux tells it."""
    try:
        told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.machine()
    found = re.search(r"model name\s*: (.+)", told)
    return f"{platform.machine()} ({found[1]})" if found else platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree
        return "source"
