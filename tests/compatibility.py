"""Writes docs/compatibility.md from the tests: what is covered, how, and by how many of them.

python -m tests.compatibility           write it
python -m tests.compatibility --check   exit 1 if it is not what the tests say
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from rsd_graph.providers import prm
from rsd_graph.providers._address import PROVIDERS
from rsd_graph.providers.prm import PRMFormat, RowsFormat
from rsd_graph.providers.registry import FAMILIES

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "compatibility.md"
FOLDERS = ("live", "providers", "embedded")
NAMES_ONLY = ("test_registry.py", "test_gotchas.py", "test_endpoint.py")
"""Files that name every provider without asking one."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

CLASSES = {"qwen-prm": {"PoolingPRM"}, "orm": {"OutcomeRM"}, "tei": {"tei_predict"}}
"""What tests say of a family that is no format, and of a provider that is no class."""

_HEADER = """\
# Compatibility

Generated from the tests by `python -m tests.compatibility`; a test fails if it is out of date.

*Live* tests ask the real server, started by `make test-live`.
*Real llama.cpp* runs inside every test run.
*Replayed* tests ask a server of ours that answers what the real one's source or a record says.
A reward model that is live only here was run with random weights of its shape, except `recompute`.

"""


@dataclass(frozen=True)
class Use:
    """One test function: where it stands and every word it and what it uses say."""

    file: Path
    name: str
    words: frozenset[str]

    @property
    def kind(self) -> str:
        """How much of the real thing it asks."""
        if self.file.parent.name == "live":
            return "live"
        real = {"llamacpp_server", "serve_gguf", "embedded"} & self.words
        return "real" if real or self.file.parent.name == "embedded" else "replayed"


@cache
def uses() -> tuple[Use, ...]:
    """Every test function of the folders that ask servers."""
    files = (file for folder in FOLDERS for file in sorted((TESTS / folder).rglob("test_*.py")))
    return tuple(use for file in files if file.name not in NAMES_ONLY for use in _in_file(file))


def _in_file(file: Path) -> Iterator[Use]:
    """A test's words include those of the module's own functions, classes and constants it uses."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    helpers = {name: _words(node) for node in tree.body for name in _defines(node)}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith(
            "test_"
        ):
            words, unread = set[str](), _words(node)
            while unread:
                words |= unread
                unread = set().union(*(helpers.get(word, set()) for word in unread)) - words
            yield Use(file, node.name, frozenset(words))


def _defines(node: ast.stmt) -> list[str]:
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _words(node: ast.AST) -> set[str]:
    """Names, parameters, and what stands before a `+` or `:` in texts such as endpoint strings."""
    words = set[str]()
    for child in ast.walk(node):
        if isinstance(child, ast.Name):
            words.add(child.id)
        elif isinstance(child, ast.arg):
            words.add(child.arg)
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            text = child.value.partition("http")[0].replace(":", "+")
            words |= {child.value, *text.split("+")} if len(child.value) < 80 else set()
    return words


def provider_words(provider: str) -> set[str]:
    """What a test that asks this provider says: its name in an endpoint string, or its class."""
    return {provider, PROVIDERS[provider].partition(":")[2], *CLASSES.get(provider, set())}


def family_words(family: str) -> set[str]:
    """What a test that asks this family says: its name, its format, or its class."""
    formats = {
        name
        for name in prm.__all__
        if isinstance(value := getattr(prm, name), PRMFormat | RowsFormat) and value.name == family
    }
    return {family} | formats | CLASSES.get(family, set())


def row(name: str, words: set[str]) -> str:
    """One line of a table: tests by kind, and the files they stand in."""
    found = [use for use in uses() if use.words & words]
    counts = [sum(use.kind == kind for use in found) for kind in ("live", "real", "replayed")]
    files = sorted({use.file.relative_to(TESTS).as_posix() for use in found})
    numbers = " | ".join(str(count) if count else "" for count in counts)
    return f"| `{name}` | {numbers} | {', '.join(files)} |"


def page() -> str:
    """The whole page."""
    head = "| live | real llama.cpp | replayed | in |\n|---|---|---|---|---|"
    providers = [row(name, provider_words(name)) for name in sorted(PROVIDERS)]
    families = [row(name, family_words(name)) for name in sorted(FAMILIES)]
    return "\n".join(
        [
            f"{_HEADER}## Providers\n\n| provider {head}",
            *providers,
            f"\n## Reward model families\n\n| family {head}",
            *families,
            "",
        ]
    )


def main() -> int:
    """Write the page, or compare it."""
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != page())
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
