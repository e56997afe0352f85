"""The files in `deploy/`, read: containers of compose files, resources of the kustomize base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
COMPOSE = [DEPLOY / "compose.yaml", DEPLOY / "compose.one-gpu.yaml"]
ROLES = ("draft", "target", "prm")


@dataclass(frozen=True)
class Container:
    """One container of a file: its service or workload, image and words of its command line."""

    file: str
    name: str
    image: str
    words: Sequence[str]

    @property
    def flags(self) -> set[str]:
        return {word.partition("=")[0] for word in self.words if word.startswith("--")}


def resources() -> Iterator[dict[str, Any]]:
    """Everything that kustomize would apply."""
    for name in _of_kustomize("resources"):
        yield from yaml.safe_load_all((KUBERNETES / name).read_text("utf-8"))


def _of_kustomize(key: str) -> list[Any]:
    found = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))[key]
    assert isinstance(found, list)
    return found


def named(kind: str, name: str) -> dict[str, Any]:
    """The one resource of that kind and name."""
    (found,) = (
        one for one in resources() if (one["kind"], one["metadata"]["name"]) == (kind, name)
    )
    return found


def pod(kind: str, name: str) -> dict[str, Any]:
    """What its pods are like."""
    found: dict[str, Any] = named(kind, name)["spec"]["template"]["spec"]
    return found


def containers() -> Iterator[Container]:
    """Every one of ours and of vLLM's."""
    for file in COMPOSE:
        for name, service in yaml.safe_load(file.read_text("utf-8"))["services"].items():
            if name in (*ROLES, "rsd") and "extends" not in service:
                image = service.get("image", "rsd-graph")
                yield Container(file.name, name, image, service["command"])
    for one in resources():
        if one["kind"] in ("Deployment", "StatefulSet"):
            (container,) = one["spec"]["template"]["spec"]["containers"]
            name = one["metadata"]["name"]
            yield Container(KUBERNETES.name, name, container["image"], container["args"])
