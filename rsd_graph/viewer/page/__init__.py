"""The page: one HTML file with its data, style and script in it. It needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from importlib import resources
from pathlib import Path

from rsd_graph.errors import ConfigurationError
from rsd_graph.viewer.reading import Traces
from rsd_graph.viewer.trace import SCHEMA

_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
_COMMON = ("elements", "sums", "pieces")
VIEWER = (*_COMMON, "files", "screens", "viewer")
"""Scripts of the page that shows files."""
CHAT = (*_COMMON, "stream", "chat")
"""Scripts of the page that asks, and shows the answer as it comes."""
REPORT = (*_COMMON, "report")
"""Scripts of an evaluation's report."""


def write_page(path: Path, files: Sequence[Traces], title: str = "RSD") -> None:
    """Write the page of one file, or of two that are compared.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        path.write_text(page(files, title), encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


def page(files: Sequence[Traces], title: str = "RSD") -> str:
    """The page of one file, or of two that are compared, with all of their answers in it."""
    shown = [{each.name: getattr(file, each.name) for each in fields(file)} for file in files]
    return sealed(title, VIEWER, {"schema": SCHEMA, "files": shown})


def served_page(title: str) -> str:
    """The same page without data: it asks the server that it came from."""
    return sealed(title, VIEWER, {"schema": SCHEMA, "served": True})


def chat_page() -> str:
    """A chat box for the server it came from, which shows every answer as it is written."""
    return sealed("RSD", CHAT, {})


def sealed(title: str, scripts: Sequence[str], data: object, main: str = "") -> str:
    """A page that can be shown, copied and sent on, and that runs nothing but our own scripts.

    The data stand in it as JSON in which no `<` is left, so that no text of a model can end them.
    A policy of content security names style and script by their hashes.

    Args:
        title: Of the page, as text.
        scripts: Names of our scripts, in their order.
        data: What they show.
        main: What stands on the page without them, as HTML.
    """
    style, script = _part("style.css"), "".join(_part(f"{name}.js") for name in scripts)
    parts = {
        "policy": _POLICY.format(script=_hash(script), style=_hash(style)),
        "title": _escaped(title),
        "style": style,
        "main": main,
        "data": _safe_json(data),
        "script": script,
    }
    return re.sub(r"@(\w+)@", lambda place: parts[place[1]], _part("page.html"))


def _part(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _safe_json(value: object) -> str:
    return json.dumps(value, default=str).replace("<", "\\u003c")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
