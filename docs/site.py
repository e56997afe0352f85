"""Files of the repository that stand outside `docs/` join the site: a hook of MkDocs.

The README is the first page, and what a page links to comes along under its own path. So a link
that works in the repository works on the site, too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = ROOT / "README.md"
_LINK = re.compile(r"(?<=\]\()[^)#:\s]+")
"""The path of a relative Markdown link."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README, and every file that a page of the site links to."""
    waiting, seen = [README, *DOCS.rglob("*.md")], set(DOCS.rglob("*"))
    while waiting:
        path = waiting.pop()
        if path not in seen:
            files.append(File.generated(config, _place(path), abs_src_path=str(path)))
        seen.add(path)
        if path.suffix == ".md":
            waiting += [found for found in _linked(path) if found not in seen]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links point to where the files stand on the site."""
    here = Path(str(page.file.abs_src_path))
    folder = Path(page.file.src_uri).parent

    def moved(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(here.parent / link[0]))
        return Path(os.path.relpath(_place(path), folder)).as_posix() if path.is_file() else link[0]

    return _LINK.sub(moved, markdown)


def _linked(page: Path) -> Iterator[Path]:
    """The files a page links to."""
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        path = Path(os.path.normpath(page.parent / link))
        if path.is_file():
            yield path


def _place(path: Path) -> str:
    """The path on the site."""
    if path == README:
        return "index.md"
    return path.relative_to(DOCS if path.is_relative_to(DOCS) else ROOT).as_posix()
