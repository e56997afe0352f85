"""The rules of the house, kept by machines."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rsd_graph

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rsd_graph"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = [
    {"errors"},
    {"plugins"},
    {"acceptance"},
    {"answer"},
    {"providers", "embedded"},
    {"early"},
    {"nodes"},
    {"runtime"},
    {"graph"},
    {"stacks"},
    {"chat_models"},
    {"viewer"},
    {"lab", "server"},
    {"cli"},
]
"""Imports point down only: a room may use its own floor and those below it."""

LAYERS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> set[str]:
    """Every module a file imports when it is loaded or run; types alone are no import."""
    names: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If)]
    typing = [node for node in blocks if ast.unparse(node.test) == "TYPE_CHECKING"]
    unread = {id(child) for block in typing for child in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in unread:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(module: str) -> str:
    """The room of a module of ours: `rsd_graph.nodes.draft` is in `nodes`."""
    return module.split(".")[1] if "." in module else ""


def loaded_by(*modules: str) -> list[str]:
    """Every module a fresh Python has loaded once it has imported these."""
    code = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.split()


def modules_of(*rooms: str) -> list[str]:
    """The dotted names of all modules in these rooms."""
    places = (path.relative_to(PACKAGE).with_suffix("").parts for path in MODULES)
    return [
        ".".join(("rsd_graph", *place)).removesuffix(".__init__")
        for place in places
        if place[0] in rooms
    ]


FLOOR_BY_FLOOR = """
import importlib, json, os, sys

for floor in json.loads(sys.argv[1]):
    for room, modules in floor.items():
        if os.fork() == 0:
            list(map(importlib.import_module, modules))
            print(json.dumps([room, list(sys.modules)]), flush=True)
            os._exit(0)
        os.wait()
    list(map(importlib.import_module, sum(floor.values(), [])))
"""


@pytest.fixture(scope="module")
def loaded_with() -> dict[str, list[str]]:
    """By room, every module that is loaded once it and all floors below it are."""
    pytest.importorskip("starlette", reason="the server is the extra 'serve'")
    floors = json.dumps([{each: modules_of(each) for each in floor} for floor in FLOORS])
    done = subprocess.run(
        [sys.executable, "-c", FLOOR_BY_FLOOR, floors], check=True, capture_output=True, text=True
    )
    return dict(map(json.loads, done.stdout.splitlines()))


@pytest.mark.parametrize("floor", range(len(FLOORS)), ids=lambda n: "+".join(sorted(FLOORS[n])))
def test_a_floor_loads_nothing_above_it(loaded_with: dict[str, list[str]], floor: int) -> None:
    """What is really loaded, however it is imported; rooms of one floor do without each other."""
    for here in FLOORS[floor]:
        below = set().union(*FLOORS[:floor], {here, ""})

        rooms = {room(name) for name in loaded_with[here] if name.startswith("rsd_graph")}

        assert here in rooms
        assert rooms <= below, here


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down_only(path: Path) -> None:
    """cli -> chat_models -> graph -> nodes -> providers -> plain data; lazily neither."""
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":
        return  # the front door names what every room offers
    ours = {room(name) for name in imports(path) if name.startswith("rsd_graph.")}
    ours -= set(rsd_graph.__all__)  # names, not rooms

    above = {other for other in ours if LAYERS[other] > LAYERS[here]}

    assert above == set()


def test_the_algorithm_and_its_seams_load_no_framework() -> None:
    """Providers, nodes and all below them can be used, and replaced, without LangGraph."""
    low = [name for rooms in FLOORS[: LAYERS["nodes"] + 1] for name in modules_of(*rooms)]

    foreign = {name.split(".")[0] for name in loaded_by(*low)}

    assert foreign & {"langgraph", "langchain_core", "langchain"} == set()


def test_the_front_door() -> None:
    """What `ls` shows is a sentence: few entries, and ARCHITECTURE.md says what each is."""
    entries = sorted(path.name for path in PACKAGE.iterdir() if path.name != "__pycache__")
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawing = page.split("```")[1]

    drawn = re.findall(r"^  (\w[\w.]*/?) ", drawing, re.MULTILINE)

    assert len(entries) <= 18
    assert [name for name in entries if name.startswith("_")] == ["__init__.py"]
    assert sorted(name.rstrip("/") for name in drawn) == entries


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=lambda p: p.parent.name)
def test_every_room_says_what_lives_there(path: Path) -> None:
    """Each folder's `__init__` begins with one line that says what belongs into it."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))

    assert docstring is not None
    assert docstring.splitlines()[0].endswith(".")


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
