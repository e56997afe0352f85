"""The page: one HTML file with its data, style and script in it. It needs no network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from rsd_graph.viewer.reading import Traces
from rsd_graph.viewer.trace import SCHEMA

_POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)


def write_page(path: Path, files: Sequence[Traces], title: str = "RSD") -> None:
    """Write the page of one file, or of two that are compared."""
    path.write_text(page(files, title), encoding="utf-8")


def page(files: Sequence[Traces], title: str = "RSD") -> str:
    """The page as text.

    The data stand in it as JSON in which no `<` is left, so that no text of a model can end them.
    A policy of content security lets nothing run but our own script, by its hash.
    """
    style, script = _part("page.css"), _part("page.js")
    policy = _POLICY.format(script=_hash(script), style=_hash(style))
    parts = {
        "policy": policy,
        "title": _escaped(title),
        "style": style,
        "data": _safe_json({"schema": SCHEMA, "files": [_as_json(file) for file in files]}),
        "script": script,
    }
    return re.sub(r"@(\w+)@", lambda place: parts[place[1]], _part("page.html"))


def _as_json(file: Traces) -> dict[str, Any]:
    return {
        "name": file.name,
        "conditions": file.conditions,
        "remarks": file.remarks,
        "answers": file.answers,
    }


def _part(name: str) -> str:
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _safe_json(value: object) -> str:
    return json.dumps(value, default=str).replace("<", "\\u003c")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
