"""Pages in a real Chromium; without one, or without playwright, their tests are skipped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rsd_graph.viewer import read_traces, write_page
from tests.helpers.browsing import Shown

Open = Callable[..., Shown]


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens addresses; when the test is over, no page has complained or asked elsewhere."""
    shown: list[Shown] = []

    def start(url: str, **options: Any) -> Shown:
        shown.append(Shown(browser, url, **options))
        return shown[-1]

    yield start
    for each in shown:
        assert (each.complaints, each.foreign) == ([], [])
        each.tab.close()


@pytest.fixture
def show(open_page: Open, tmp_path: Path) -> Open:
    """Shows journals, each a list of answers, as a page from a file."""

    def start(*journals: list[dict[str, Any]], **options: Any) -> Shown:
        files = []
        for number, lines in enumerate(journals):
            file = tmp_path / f"{'ab'[number]}.jsonl"
            file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
            files.append(read_traces(file))
        write_page(tmp_path / "page.html", files)
        return open_page((tmp_path / "page.html").as_uri(), **options)

    return start
