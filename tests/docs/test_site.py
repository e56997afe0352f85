"""The documentation as a site: it builds without a warning, and its reference is complete."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType

import pytest

import rsd_graph
from rsd_graph import acceptance, errors, lab, viewer
from rsd_graph.answer import events
from rsd_graph.providers import prm

pytest.importorskip("mkdocs", reason="the site is built with the dependency group 'docs'")
server = pytest.importorskip("rsd_graph.server", reason="the server is the extra 'serve'")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does: a broken link, or a page in no menu, ends it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def documented(site: Path) -> set[str]:
    """Every name the reference explains, from the inventory that other sites link by."""
    *_, packed = (site / "objects.inv").read_bytes().split(b"\n", 4)
    return {line.split()[0] for line in zlib.decompress(packed).decode().splitlines()}


def public_names(module: ModuleType) -> list[str]:
    """What a module offers: its `__all__`, or the classes and functions that it defines."""
    own = [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
    ]
    return list(getattr(module, "__all__", own))


@pytest.mark.parametrize(
    "module",
    [rsd_graph, prm, errors, acceptance, lab, server, viewer],
    ids=lambda module: module.__name__,
)
def test_every_public_name_is_in_the_reference(module: ModuleType, documented: set[str]) -> None:
    """A name that can be imported can be looked up."""
    names = [f"{module.__name__}.{name}" for name in public_names(module)]

    assert len(names) >= 5
    assert [name for name in names if name not in documented] == []


def test_every_event_is_in_the_reference(documented: set[str]) -> None:
    """Whoever streams custom events can look up what they hold."""
    kinds = [
        f"{events.__name__}.{name}" for name in public_names(events) if name.startswith("Step")
    ]

    assert len(kinds) == 5
    assert [name for name in kinds if name not in documented] == []


def test_every_option_of_the_chat_model_is_in_the_reference(documented: set[str]) -> None:
    """The fields that `ChatRSD` adds to LangChain's are explained."""
    from rsd_graph.answer.options import declared

    options = [f"rsd_graph.ChatRSD.{name}" for name in ("draft", "target", "prm", *declared())]

    assert [name for name in options if name not in documented] == []


def test_a_link_works_in_the_repository_and_on_the_site(site: Path) -> None:
    """Pages and files outside `docs/` stand on the site where the README's links lead."""
    home = (site / "index.html").read_text(encoding="utf-8")

    assert 'href="tutorial.html"' in home
    assert 'href="benchmarks/results/latency.html"' in home
    assert (site / "rsd_graph" / "graph.py").read_bytes() == (
        ROOT / "rsd_graph" / "graph.py"
    ).read_bytes()
