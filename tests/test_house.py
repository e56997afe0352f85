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

LAYERS = {
    "cli": 6,
    "evaluation": 5,
    "bench": 5,
    "chat_models": 4,
    "_assembly": 4,
    "_naming": 4,
    "_options": 4,
    "config": 4,
    "doctor": 4,
    "run": 4,
    "graph": 3,
    "_runnable": 3,
    "nodes": 2,
    "lookahead": 1,
    "hedge": 1,
    "_early": 1,
    "embedded": 1,
    "providers": 1,
    "prms": 1,
}
"""Imports point down only: a module may import from its own layer and those below it."""


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
    ours = {room(name) for name in imports(path) if name.startswith("rsd_graph.")}

    above = {other for other in ours if LAYERS.get(other, 0) > LAYERS.get(here, 0)}

    assert above == set() or here == "__init__"


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
        if path.relative_to(PACKAGE).parts[0] in {"providers", "bench"}:
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
