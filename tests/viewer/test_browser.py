"""The page in a real Chromium: every screen, from a file, with no word to the network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

from rsd_graph.lab.statistics import mcnemar_p_value  # noqa: E402
from rsd_graph.viewer import read_traces, write_page  # noqa: E402
from tests.viewer.answers import answer, journal, step  # noqa: E402
from tests.viewer.test_page import HOSTILE  # noqa: E402

CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield started
        started.close()


class Shown:
    """A page in the browser, and everything it complained about or asked for."""

    def __init__(self, browser: Any, place: Path, **options: Any) -> None:
        self.tab = browser.new_page(**options)
        self.complaints: list[str] = []
        self.foreign: list[str] = []
        self.tab.on("console", lambda said: self.complaints.append(said.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.on("request", lambda asked: self._asked(asked.url))
        self.tab.goto(place.as_uri())

    def _asked(self, url: str) -> None:
        if not url.startswith("file:"):
            self.foreign.append(url)

    def texts(self, selector: str) -> list[str]:
        """The text of every such element."""
        return [str(text) for text in self.tab.locator(selector).all_inner_texts()]


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """Shows journals; when the test is over, none of them has complained or asked for anything."""
    shown: list[Shown] = []

    def start(*journals: list[dict[str, Any]], **options: Any) -> Shown:
        files = []
        for number, lines in enumerate(journals):
            file = tmp_path / f"{'ab'[number]}.jsonl"
            file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
            files.append(read_traces(file))
        write_page(tmp_path / "page.html", files)
        shown.append(Shown(browser, tmp_path / "page.html", **options))
        return shown[-1]

    yield start
    for each in shown:
        assert (each.complaints, each.foreign) == ([], [])
        each.tab.close()


def test_an_answer_shows_who_wrote_what(show: Any) -> None:
    """Letters by writer, rewards, and the rejected draft above its rewrite, folded."""
    page = show([answer(0, [step("Add. 1+1=2."), step("Split. 4/2=2.", reward=0.1)])])

    assert page.texts(".who") == ["D", "T"]
    assert page.texts("details.lost summary") == ["step 2: rejected draft, reward 0.10"]
    assert not page.tab.locator("details.lost .said").is_visible()
    page.tab.locator("details.lost summary").click()
    assert page.texts("details.lost del") == ["4/2=2., as drafted"]


def test_hostile_text_stays_text(show: Any) -> None:
    """Markup, handlers, right-to-left marks and NUL are shown, not run."""
    page = show([answer(0, [step(HOSTILE)])])

    assert page.tab.evaluate("document.images.length") == 0
    assert page.tab.locator(".said").first.evaluate("node => node.textContent") == HOSTILE


def test_a_step_of_a_megabyte(show: Any) -> None:
    """It opens, whole."""
    page = show([answer(0, [step("x" * 2**20)])])

    assert page.tab.locator(".said").first.evaluate("node => node.textContent.length") == 2**20


@pytest.mark.parametrize("delta", [0.0, 0.3, 0.69, 0.7, 0.95, 1.0])
def test_what_if_counts_as_python_does(show: Any, delta: float) -> None:
    """Answers without a turned verdict, and where the first one turns, at any delta."""
    answers = journal(200)
    page = show(answers)
    counted = {"answers": 200, "same": 0, "toTarget": 0, "toDraft": 0}
    for each in answers:
        turned = [s for s in each["steps"] if (s["reward"] >= delta) != s["accepted"]]
        kind = "same" if not turned else "toTarget" if turned[0]["accepted"] else "toDraft"
        counted[kind] += 1

    assert page.tab.evaluate(f"whatIf(ONE.answers, {delta})") == counted


def test_the_slider_says_how_far_it_is_exact(show: Any) -> None:
    """Steps after the first turned verdict are marked unknown."""
    page = show([answer(0, [step("a", 0.9), step("b", 0.8), step("c", 0.95)])])
    page.tab.get_by_role("button", name="What if delta").click()

    page.tab.locator("#delta").fill("0.85")

    assert page.texts("h2") == ["answer 1: exact until step 2, then unknown"]
    assert page.tab.locator(".step.unknown").count() == 1


def test_two_files_compared_as_python_compares_them(show: Any) -> None:
    """The table of right and wrong, and McNemar's exact p."""
    ours, theirs = journal(300, seed=1), journal(300, seed=2)
    page = show(ours, theirs)
    pairs = [(a["correct"], b["correct"]) for a, b in zip(ours, theirs, strict=True)]
    first, second = pairs.count((True, False)), pairs.count((False, True))

    shown = {name: page.texts(f"#{name}")[0] for name in ("both", "first", "second", "neither")}

    assert shown == {
        "both": str(pairs.count((True, True))),
        "first": str(first),
        "second": str(second),
        "neither": str(pairs.count((False, False))),
    }
    assert float(page.texts("#p")[0]) == pytest.approx(mcnemar_p_value(first, second), rel=0.01)


def test_a_hundred_thousand_answers_scroll(show: Any) -> None:
    """Only what is in sight is in the document; the last row is one scroll away."""
    page = show([answer(number) for number in range(100_000)])

    page.tab.locator(".table").evaluate("box => { box.scrollTop = box.scrollHeight; }")
    page.tab.get_by_text("q99999", exact=True).wait_for()

    assert page.tab.locator(".line").count() < 100


def test_the_keyboard_is_enough(show: Any) -> None:
    """Next step, next rejection, next answer, without a mouse."""
    page = show([answer(0, [step("a"), step("b", 0.1)]), answer(1, [step("c")])])
    page.tab.get_by_role("button", name="Answer", exact=True).press("Enter")

    page.tab.keyboard.press("j")
    first = page.tab.evaluate("document.activeElement.dataset.step")
    page.tab.keyboard.press("r")
    rejected = page.tab.evaluate("document.activeElement.dataset.step")
    page.tab.keyboard.press("n")

    assert (first, rejected, page.texts(".said")) == ("0", "1", ["c"])


def test_filters_and_their_address(show: Any) -> None:
    """What is chosen stands in the address, so that it can be sent on."""
    answers = [answer(0), answer(1, right=False), answer(2, [step("x", 0.1)], right=False)]
    page = show(answers)

    page.tab.locator("#filter").select_option("passed")

    assert page.texts(".line span:first-child") == ["q1"]
    assert "filter=passed" in page.tab.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1200])
def test_it_fits_the_screen(show: Any, scheme: str, width: int) -> None:
    """Nothing runs out to the right, on a phone or a desk, light or dark."""
    size = {"width": width, "height": 800}
    page = show(journal(20), viewport=size, color_scheme=scheme)

    for name in ("Answer", "What if delta", "All answers"):
        page.tab.get_by_role("button", name=name, exact=True).click()
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
