"""How GPUs can be divided between draft, target and PRM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.lab.latency.hardware import GPU, Model, Preset, Served, kv_tokens, serve
from rsd_graph.lab.latency.workload import Workload

MOST_GPUS = 16
"""Of one division; whoever has more runs several of the same."""

API_PROCESSES = 2
"""Of drafts and PRMs, which are asked at every step: `--api-server-count`."""

_Group = tuple[Role, ...]

_GROUPS: tuple[tuple[_Group, ...], ...] = (
    (("draft",), ("target",), ("prm",)),
    (("draft", "prm"), ("target",)),
    (("draft", "target", "prm"),),
)
"""Who may share GPUs."""

_SPLITS = (1, 2, 4, 8)
"""GPUs that one model may be divided over."""


@dataclass(frozen=True, slots=True)
class Room:
    """What the answers in flight need: their tokens stay in every model's KV cache.

    Attributes:
        in_flight: Answers.
        tokens: Of a whole answer, its question included.
    """

    in_flight: float
    tokens: float

    @classmethod
    def of(cls, workload: Workload, in_flight: float) -> Room:
        """For answers of the usual length."""
        return cls(in_flight, workload.question_tokens + workload.steps * workload.step_tokens)

    def of_replica(self, replicas: int) -> float:
        """Tokens in each of *replicas*; one whole answer at the least."""
        return max(1.0, self.in_flight / replicas) * self.tokens


def layouts(models: Mapping[Role, Model], gpu: GPU, count: int, room: Room) -> list[Preset]:
    """Every division of *count* GPUs that holds the models and all answers in flight.

    Raises:
        ConfigurationError: There is none; says what would do.
    """
    if not 1 <= count <= MOST_GPUS:
        raise ConfigurationError(
            f"{count} GPUs.",
            expected=f"1 to {MOST_GPUS}",
            hint="Plan a unit of at most that many, and run several.",
        )
    found = [
        layout
        for groups in _GROUPS
        for sizes in _divided(count, len(groups))
        for layout in _served(dict(zip(groups, sizes, strict=True)), models, gpu, room)
    ]
    if not found:
        raise _does_not_fit([*models.values()], gpu, count, room)
    return found


def layouts_alone(target: Model, gpu: GPU, count: int, room: Room) -> list[Served]:
    """Every way to serve the target alone on up to *count* GPUs.

    Raises:
        ConfigurationError: There is none.
    """
    found = [served for split in _SPLITS for served in _on([target], gpu, count, split, room)]
    if not found:
        raise _does_not_fit([target], gpu, count, room)
    return found


def _does_not_fit(models: list[Model], gpu: GPU, count: int, room: Room) -> ConfigurationError:
    weights = 2 * sum(model.parameters for model in models)
    answers = 1e-9 * room.in_flight * room.tokens * sum(model.kv_bytes for model in models)
    names = ", ".join(model.name for model in models)
    return ConfigurationError(
        f"{names} do not fit on {count} x {gpu.name} with {room.in_flight:.0f} answers in flight.",
        expected=f"room for {weights:.0f} GB of weights and {answers:.0f} GB of KV cache in "
        f"{count * gpu.memory_gb:.0f} GB, each model on 1, 2, 4 or 8 GPUs",
        hint="Take more or larger GPUs, smaller models, or fewer answers at once.",
    )


def _divided(count: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to divide *count* GPUs into so many parts, none of them empty."""
    if parts == 1:
        yield (count,)
        return
    for first in range(1, count - parts + 2):
        yield from ((first, *rest) for rest in _divided(count - first, parts - 1))


def _served(
    groups: Mapping[_Group, int], models: Mapping[Role, Model], gpu: GPU, room: Room
) -> Iterator[Preset]:
    """Every layout of groups of these sizes; only the target is split further than it must be."""
    choices = [list(_choices(group, size, models, gpu, room)) for group, size in groups.items()]
    shared = max(groups, key=len)
    for chosen in product(*choices):
        roles = {role: served for group in chosen for role, served in group.items()}
        yield Preset(
            name=f"{sum(groups.values())} x {gpu.name}",
            hardware=gpu.name,
            draft=replace(roles["draft"], api_processes=API_PROCESSES),
            target=roles["target"],
            prm=replace(roles["prm"], api_processes=API_PROCESSES),
            shared=shared if len(shared) > 1 else (),
        )


def _choices(
    group: _Group, size: int, models: Mapping[Role, Model], gpu: GPU, room: Room
) -> Iterator[dict[Role, Served]]:
    """The roles of a group on its GPUs, split in each way that fits."""
    for split in _SPLITS:
        found = _on([models[role] for role in group], gpu, size, split, room)
        if found:
            yield dict(zip(group, found, strict=True))
            if "target" not in group:
                return


def _on(models: list[Model], gpu: GPU, size: int, split: int, room: Room) -> list[Served]:
    """*models* together on every *split* of *size* GPUs; empty if that cannot be."""
    replicas, tokens = size // split, kv_tokens(models, gpu, split)
    if not replicas or tokens < room.of_replica(replicas):
        return []
    if any(model.heads % split for model in models):
        return []
    served = [serve(model, gpu, split) for model in models]
    return [replace(one, replicas=replicas, kv_tokens=tokens) for one in served]
