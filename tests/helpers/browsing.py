"""A page in a real Chromium, and everything it complained about or asked for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, headless."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


class Shown:
    """A page in the browser.

    Attributes:
        tab: Playwright's page.
        complaints: What it wrote to the console, and errors nobody caught.
        foreign: Addresses it asked for that are not its own.
    """

    def __init__(self, browser: Any, url: str, **options: Any) -> None:
        self.tab = browser.new_page(**options)
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self._own = "file:" if url.startswith("file:") else url.partition("#")[0]
        self.tab.on("console", lambda said: self.complaints.append(said.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda asked: self._asked(asked.url))
        self.tab.goto(url)

    def _asked(self, url: str) -> None:
        if not url.startswith((self._own, "data:")):
            self.foreign.append(url)

    def texts(self, selector: str) -> list[str]:
        """The text of every such element."""
        return [str(text) for text in self.tab.locator(selector).all_inner_texts()]

    def wait_for(self, selector: str, count: int = 1) -> None:
        """Until at least so many such elements are on the page."""
        self.tab.locator(selector).nth(count - 1).wait_for()
