"""The door for other people's code, and what happens to what does not fit through it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from rsd_graph import ConfigurationError, criterion, step_model
from rsd_graph.plugins import Plugins, _installed, call, takes_text

TOOLS = Plugins("test.tools", "tool", {"path": "pathlib:Path", "number": "builtins:int"})

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution that has entry points and no code."""

    def distribution(name: str, group: str, **entries: str) -> None:
        info = tmp_path / f"{name}-2.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.1\n")
        lines = (f"{entry} = {value}\n" for entry, value in entries.items())
        (info / "entry_points.txt").write_text(f"[{group}]\n{''.join(lines)}")

    monkeypatch.syspath_prepend(tmp_path)
    _installed.cache_clear()
    yield distribution
    _installed.cache_clear()


def test_a_name_is_ours_or_that_of_an_entry_point(install: Install) -> None:
    """Both are loaded by name, and listed together."""
    install("acme", "test.tools", hammer="math:prod")

    assert TOOLS.names() == ["hammer", "number", "path"]
    assert TOOLS.load("hammer")([2, 3]) == 6
    assert TOOLS.load("path") is Path


def test_nothing_is_imported_before_it_is_named(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plug-in that is slow, or broken, costs those nothing who do not use it."""
    (tmp_path / "acme_lazy.py").write_text("tool = 1")
    install("acme", "test.tools", lazy="acme_lazy:tool", broken="acme_no_such_module:tool")

    listed, loaded = TOOLS.names(), "acme_lazy" in sys.modules

    assert (listed, loaded) == (["broken", "lazy", "number", "path"], False)
    assert TOOLS.load("lazy") == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("acme_no_such_module:tool", "ModuleNotFoundError: No module named 'acme_no_such_module'"),
        ("math:no_such_name", "AttributeError: module 'math' has no attribute 'no_such_name'"),
        ("acme_raises:tool", "ZeroDivisionError: division by zero"),
        ("acme_is_no_python:tool", "SyntaxError: "),
    ],
)
def test_a_plug_in_that_cannot_be_imported(
    install: Install, tmp_path: Path, value: str, reason: str
) -> None:
    """The error names the distribution, its version, the entry point and the reason."""
    (tmp_path / "acme_raises.py").write_text("tool = 1 / 0")
    (tmp_path / "acme_is_no_python.py").write_text("tool = = 1")
    install("acme", "test.tools", hammer=value)

    with pytest.raises(ConfigurationError) as caught:
        TOOLS.load("hammer")

    assert f"'hammer', offered by acme 2.1 (test.tools: hammer = {value})" in str(caught.value)
    assert reason in str(caught.value)


def test_a_built_in_name_cannot_be_taken(install: Install) -> None:
    """Whoever names it is told; whoever does not, is not."""
    install("acme", "rsd_graph.providers", vllm="acme:Wire")

    with pytest.raises(ConfigurationError) as caught:
        step_model("vllm+http://h", "draft")
    step_model("sglang+http://h", "draft")

    assert str(caught.value).startswith(
        "draft at vllm+http://h: the provider 'vllm' is offered by rsd-graph itself "
        "(rsd_graph.providers: vllm = rsd_graph.providers.wires.vllm:VLLMWire) and by "
        "acme 2.1 (rsd_graph.providers: vllm = acme:Wire)."
    )


def test_two_packages_cannot_share_a_name(install: Install) -> None:
    """Which one is meant would depend on the order of a path."""
    install("acme", "rsd_graph.criteria", mild="acme:mild")
    install("bolt", "rsd_graph.criteria", mild="bolt:mild")

    with pytest.raises(ConfigurationError, match=r"offered by (acme|bolt) 2.1 .* and by "):
        criterion("mild()")


def test_an_unknown_name_lists_what_there_is(install: Install) -> None:
    """Other people's names, too, and the one that may be meant."""
    install("acme", "test.tools", hammer="math:prod")

    with pytest.raises(ConfigurationError) as caught:
        TOOLS.load("hamer")

    assert str(caught.value) == (
        "unknown tool 'hamer'. Expected one of hammer, number, path. Did you mean 'hammer'?"
    )


class Loaded:
    """Made of a text by its class method."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def load(cls, text: str) -> Loaded:
        return cls(text + "!")


def tool(
    where: object,
    count: int,
    ratio: float = 0.5,
    on: bool = False,
    way: Literal["up", "down"] = "up",
    path: Path | None = None,
    loaded: Loaded | None = None,
    plain=None,  # type: ignore[no-untyped-def]
    client: Iterator[int] | Exception | None = None,
) -> dict[str, Any]:
    return dict(locals())


def test_options_become_what_the_signature_says() -> None:
    """Text becomes numbers, truth values, words, paths, and classes that load from it."""
    options = {
        **{"count": "3", "ratio": "1e-1", "on": "yes", "way": "down", "path": "/tmp"},
        **{"loaded": "text", "plain": "as it is"},
    }

    made = call(tool, "here", name="tool", options=options)

    assert made.pop("loaded").text == "text!"
    assert made == {
        **{"where": "here", "count": 3, "ratio": 0.1, "on": True, "way": "down"},
        **{"path": Path("/tmp"), "plain": "as it is", "client": None},
    }


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "tool needs a value for count."),
        ({"count": "many"}, "option 'count' cannot be used with 'many': input should be a valid "),
        ({"count": "1", "ratio": "nan"}, "cannot be used with 'nan': it must be finite."),
        ({"count": "1", "way": "left"}, "input should be 'up' or 'down'."),
        ({"count": "1", "client": "x"}, "it can only be given in code."),
        ({"cuont": "1"}, "unknown option 'cuont' of tool. Expected one of client, count, "),
        ({"where": "there", "count": "1"}, "unknown option 'where' of tool."),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, str], complaint: str) -> None:
    """Missing, misspelt or wrong: said before anything is made."""
    with pytest.raises(ConfigurationError) as caught:
        call(tool, "here", name="tool", options=options)

    assert complaint in str(caught.value)


def test_what_raises_while_it_is_made_is_the_cause() -> None:
    """A plug-in's own mistake is told as one of our errors; our own errors are themselves."""

    def broken(where: str) -> None:
        raise KeyError("oops")

    def refusing(where: str) -> None:
        raise ConfigurationError("no.")

    with pytest.raises(
        ConfigurationError, match="broken cannot be made: KeyError: 'oops'"
    ) as caught:
        call(broken, "here", name="broken", options={})
    with pytest.raises(ConfigurationError, match=r"^no\.$"):
        call(refusing, "here", name="refusing", options={})

    assert isinstance(caught.value.__cause__, KeyError)


def test_annotations_that_cannot_be_read_matter_only_to_options() -> None:
    """A class with names for type checkers alone is usable; its options are not."""

    def strange(where: str, how: NoSuchType = 1) -> str:  # type: ignore[name-defined]  # noqa: F821
        return where

    assert call(strange, "here", name="strange", options={}) == "here"
    with pytest.raises(ConfigurationError, match="NoSuchType"):
        call(strange, "here", name="strange", options={"how": "so"})


def test_what_takes_a_text_says_so() -> None:
    """By its first annotation; nothing else is guessed."""

    def named(name: str) -> None: ...
    def bare(name) -> None: ...  # type: ignore[no-untyped-def]
    def none() -> None: ...

    assert [takes_text(each) for each in (named, bare, none, Path)] == [True, False, False, False]
