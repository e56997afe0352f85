"""Does RSD pay? Its throughput and cost beside the target's alone, preset by preset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rsd_graph.lab.latency.measure import ALONE
from rsd_graph.lab.latency.presets import base_and_variant

OURS = "lookahead auto"


@dataclass(frozen=True, slots=True)
class Comparison:
    """RSD (`lookahead="auto"`) beside the target alone, so many answers at once.

    Attributes:
        preset: RSD's.
        load: Answers in flight.
        rsd: Answers/s.
        target: Those of the target on its own GPUs.
        all_gpus: Those of the target on the GPUs of all three models, which it shares ideally.
        seconds: Median latency: RSD's, the target's, and the target's on all GPUs.
        decode_only: FLOPs of an answer over the target's, tokens written.
        full: The same, every token read or written and not cached.
    """

    preset: str
    load: int
    rsd: float
    target: float
    all_gpus: float
    seconds: tuple[float, float, float]
    decode_only: float
    full: float

    @property
    def over_target(self) -> float:
        """RSD's throughput over the target's on its own GPUs."""
        return self.rsd / self.target

    @property
    def over_all(self) -> float:
        """RSD's throughput over the target's on all GPUs."""
        return self.rsd / self.all_gpus

    @property
    def saturated(self) -> float:
        """About what `over_all` tends to once every GPU computes all the time: FLOPs decide."""
        return 1 / self.full


def comparisons(rows: Sequence[Any]) -> list[Comparison]:
    """One for each preset and load that RSD was measured at; variants use their preset's target."""
    found = {(row["preset"], row["concurrency"], row["arm"]): row for row in rows}
    ours = [row for row in rows if row["arm"] == OURS]
    compared = []
    for row in ours:
        base, _ = base_and_variant(row["preset"])
        alone = [found.get((base, row["concurrency"], arm)) for arm in ALONE]
        if all(alone):
            compared.append(_comparison(row, *alone))
    return compared


def _comparison(row: Any, target: Any, all_gpus: Any) -> Comparison:
    return Comparison(
        row["preset"],
        row["concurrency"],
        row["per_second"],
        target["per_second"],
        all_gpus["per_second"],
        (row["p50"], target["p50"], all_gpus["p50"]),
        row["tflops_decode_only"] / target["tflops_decode_only"],
        row["tflops_full"] / target["tflops_full"],
    )


def losses(compared: Iterable[Comparison]) -> list[str]:
    """In words, a line a preset: where RSD is slower than the target alone, and what it costs."""
    by_preset: dict[str, list[Comparison]] = {}
    for item in compared:
        by_preset.setdefault(item.preset, []).append(item)
    return [f"{preset}: {_loss(mine)}" for preset, mine in by_preset.items()]


def _loss(mine: Sequence[Comparison]) -> str:
    alone = [(item.load, item.over_target) for item in mine if item.over_target < 1]
    everywhere = [(item.load, item.over_all) for item in mine if item.over_all < 1]
    said = [
        f"{_at(found)} the target's throughput on {gpus}"
        for found, gpus in ((alone, "its own GPUs"), (everywhere, "all the GPUs"))
        if found
    ]
    full = sorted({f"{item.full:.2f}" for item in mine}, key=float)
    times = full[0] if len(full) == 1 else f"{full[0]} to {full[-1]}"
    return "; ".join([*(said or ["slower nowhere"]), f"{times} times its FLOPs in full"])


def _at(found: Sequence[tuple[int, float]]) -> str:
    return ", ".join(f"{ratio:.2f}x at {load}" for load, ratio in found) + " at once, of"
