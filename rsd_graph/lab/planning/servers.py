"""How to start a layout: every server's command line, and what ChatRSD calls it then."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from rsd_graph.errors import Role
from rsd_graph.lab.latency.hardware import GPU, MEMORY_SHARE, Preset, Served, memory_gb
from rsd_graph.lab.latency.kv_cache import BLOCK

_FIRST_PORT = 8001
_SHORTEST = 4096
_TIMES_THE_MEAN = 4
"""How much longer than the mean answer the longest may be."""

_FAMILIES = {"skywork": "skywork", "qwen": "qwen-prm-split"}
"""What a PRM is called in endpoint strings once `rsd-graph split-prm` divided it, by its maker."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a layout.

    Attributes:
        role: Whose seat it fills.
        gpus: Numbers of its GPUs.
        command: What starts it, once whatever it shares GPUs with is up.
        endpoint: The endpoint string, with HOST for where it runs.
    """

    role: Role
    gpus: tuple[int, ...]
    command: str
    endpoint: str


def servers(layout: Preset, gpu: GPU, answer_tokens: float) -> list[Server]:
    """Every server of *layout*, for answers of so many tokens on average, question included."""
    found, ports = list[Server](), iter(range(_FIRST_PORT, _FIRST_PORT + 1000))
    for role, served in layout.roles.items():
        flags = _flags(role, served, _memory(layout, role, gpu), answer_tokens)
        for gpus in _places(layout, role):
            port = next(ports)
            devices = f"CUDA_VISIBLE_DEVICES={','.join(map(str, gpus))}"
            command = f"{devices} vllm serve {_checkpoint(role, served)} --port {port} {flags}"
            name = f"{_scheme(role, served)}vllm+http://HOST:{port}/v1#{role}"
            found.append(Server(role, gpus, command, name))
    return found


def before(layout: Preset) -> str | None:
    """What must be done to the PRM's checkpoint first, so that its server reads the cache."""
    name = layout.prm.model.name
    return f"rsd-graph split-prm {shlex.quote(name)} PRM-split" if _family(name) else None


def _places(layout: Preset, role: Role) -> Iterator[tuple[int, ...]]:
    """The GPUs of each replica."""
    served, first = layout.roles[role], _first_gpus(layout)[role]
    for start in range(first, first + served.gpus * served.replicas, served.gpus):
        yield tuple(range(start, start + served.gpus))


def _first_gpus(layout: Preset) -> dict[Role, int]:
    """Where each role's GPUs begin; those that share them begin together."""
    found, free = dict[Role, int](), 0
    for role, served in layout.roles.items():
        together = [found[other] for other in found if {other, role} <= {*layout.shared}]
        found[role] = together[0] if together else free
        free += 0 if together else served.gpus * served.replicas
    return found


def _memory(layout: Preset, role: Role, gpu: GPU) -> float:
    """Share of its GPUs' memory, rounded down."""
    served = layout.roles[role]
    alone = role not in layout.shared
    share = MEMORY_SHARE if alone else memory_gb(served) / served.gpus / gpu.memory_gb
    return math.floor(100 * share) / 100


def _flags(role: Role, served: Served, memory: float, answer_tokens: float) -> str:
    flags: dict[str, object] = {
        "--served-model-name": role,
        "--gpu-memory-utilization": memory,
        "--max-model-len": _longest(served, answer_tokens),
        "--max-num-seqs": served.max_seqs,
        "--max-num-batched-tokens": served.batched_tokens,
        "--block-size": BLOCK,
    }
    if served.gpus > 1:
        flags["--tensor-parallel-size"] = served.gpus
    if served.api_processes > 1:
        flags["--api-server-count"] = served.api_processes
    own = "--runner pooling" if role == "prm" else "--enable-prompt-tokens-details"
    words = [f"{flag} {value}" for flag, value in flags.items()]
    return " ".join([own, "--enable-prefix-caching", *words])


def _longest(served: Served, answer_tokens: float) -> int:
    """Tokens of the longest answer that is let in."""
    wanted: int = 2 ** math.ceil(math.log2(_TIMES_THE_MEAN * answer_tokens))
    return min(max(_SHORTEST, wanted), served.kv_tokens)


def _checkpoint(role: Role, served: Served) -> str:
    name = served.model.name
    return "PRM-split" if role == "prm" and _family(name) else shlex.quote(name)


def _scheme(role: Role, served: Served) -> str:
    return f"{_family(served.model.name) or 'FAMILY'}+" if role == "prm" else ""


def _family(name: str) -> str | None:
    known = (family for maker, family in _FAMILIES.items() if f"{maker}/" in name.lower())
    return next(known, None) if "prm" in name.lower() else None
