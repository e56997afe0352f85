"""The rules of the house, kept by machines."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import rsd_graph

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rsd_graph"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = [
    {"errors", "_logging", "answer", "acceptance"},
    {"providers", "embedded"},
    {"early"},
    {"nodes"},
    {"runtime"},
    {"graph"},
    {"stacks"},
    {"chat_models"},
    {"lab"},
    {"cli"},
]
"""Imports point down only: a room may use its own floor and those below it."""

LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> set[str]:
    """Every module a file imports when it is loaded or run."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    """The room of a module of ours: `rsd_graph.nodes.draft` is in `nodes`."""
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down_only(path: Path) -> None:
    """cli -> chat_models -> graph -> nodes -> providers -> plain data, never back."""
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":
        return  # the front door names what every room offers
    ours = {room(name) for name in imports(path) if name.startswith("rsd_graph.")}
    ours -= set(rsd_graph.__all__)  # names, not rooms

    above = {other for other in ours if LAYERS[other] > LAYERS[here]}

    assert above == set()


@pytest.mark.parametrize("place", ["nodes", "providers"])
def test_nodes_and_providers_know_nothing_of_langgraph(place: str) -> None:
    """The graph can be replaced without touching them; only `chat` wraps LangChain's own models."""
    for path in (PACKAGE / place).rglob("*.py"):
        foreign = {name for name in imports(path) if name.startswith(("langgraph", "langchain"))}
        assert foreign == set() or path.name == "chat.py", path


def test_only_providers_talk_http() -> None:
    """No HTTP library outside the providers."""
    http = ("aiohttp", "httpx", "httpx2", "openai", "requests", "urllib.request")
    for path in MODULES:
        here = path.relative_to(PACKAGE).parts
        if here[0] == "providers" or here[:2] == ("lab", "latency"):  # which simulates servers
            continue
        assert not {name for name in imports(path) if name.split(".")[0] in http}, path


def test_the_public_names_exist() -> None:
    """`__all__` is the public surface, and nothing in it is missing."""
    assert [name for name in rsd_graph.__all__ if not hasattr(rsd_graph, name)] == []


def test_the_algorithm_fits_one_screen() -> None:
    """`graph.py` stays short enough to read standing up."""
    lines = (PACKAGE / "graph.py").read_text(encoding="utf-8").splitlines()

    assert len(lines) <= 110


def test_the_readme_shows_the_graph_as_it_is() -> None:
    """The drawing in the README is what `draw_mermaid` draws."""
    from rsd_graph import ScriptedRewardModel, ScriptedStepModel, create_rsd_graph

    model = ScriptedStepModel([])
    graph = create_rsd_graph(draft=model, target=model, prm=ScriptedRewardModel([]))
    drawing = graph.compile().get_graph().draw_mermaid()

    shown = re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)

    assert shown is not None
    assert shown.group(1) == drawing


def test_the_version_is_stated_once() -> None:
    """The package and its metadata agree."""
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert f'version = "{rsd_graph.__version__}"' in pyproject
