"""The report of an evaluation in a real Chromium: one design with the viewer, on any screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rsd_graph import reward_threshold
from rsd_graph.lab.arms.alone import alone
from rsd_graph.lab.arms.rsd import rsd
from rsd_graph.lab.exam import Exam
from rsd_graph.lab.journal import Journal, Judgement
from rsd_graph.lab.question import Question
from rsd_graph.lab.report.findings import Findings
from rsd_graph.lab.report.page import write_report
from rsd_graph.lab.runner import answer_all
from tests.helpers.browsing import CHROMIUM, Shown, chromium
from tests.helpers.counted_models import setup
from tests.lab.report.test_findings import SIZES

HOSTILE = "</script><img src=x onerror=alert(1)>"
QUESTIONS = [Question(f"q/{n}", f"{HOSTILE} {n}", "right", "math", level=n % 2) for n in range(4)]


async def grade(question: Question, text: str) -> Judgement:
    return {"correct": "wrong" not in text or question.id != "q/1"}


async def findings(folder: Path) -> Findings:
    """What three arms answered."""
    found = Findings()
    arms = [alone(setup(), "draft"), alone(setup(), "target"), rsd(setup(), reward_threshold(0.7))]
    with Journal(folder / "journal.jsonl", {}) as journal:
        for arm in arms:
            found = found.with_arm(arm, await answer_all(arm, QUESTIONS, grade, journal), SIZES)
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report on those questions."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("report")
    exam = Exam(QUESTIONS, grade, lambda question, text: text)
    conditions = {"dataset": HOSTILE, "questions": len(QUESTIONS)}
    found = asyncio.run(findings(folder))
    write_report(folder / "report.html", found, exam, None, conditions)
    return folder / "report.html"


@pytest.fixture(scope="module")
def browser(report: Path) -> Iterator[Any]:
    """Started after the report is written: while it is open, no event loop can be run here."""
    pytest.importorskip("playwright")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    with chromium() as started:
        yield started


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1200])
def test_it_fits_the_screen(browser: Any, report: Path, width: int, scheme: str) -> None:
    """Nothing of page or table runs out to the right; pictures are drawn; nothing is complained."""
    size = {"width": width, "height": 800}
    page = Shown(browser, report.as_uri(), viewport=size, color_scheme=scheme)
    page.tab.locator("details.question summary").first.click()
    page.wait_for(".step")

    assert page.tab.evaluate("document.documentElement.scrollWidth") <= width
    assert page.tab.locator(".wide").evaluate("box => box.scrollWidth - box.clientWidth") == 0
    assert page.tab.evaluate("[...document.images].every(each => each.naturalWidth > 0)")
    assert (page.complaints, page.foreign) == ([], [])
    page.tab.close()


def test_transcripts_are_the_viewers(browser: Any, report: Path) -> None:
    """Every arm's steps with letters and rewards, the rejected draft folded above its rewrite."""
    page = Shown(browser, report.as_uri())
    page.tab.locator("details.question summary").first.click()
    page.wait_for(".step")

    assert page.texts(".arms h3") == ["draft only", "target only", "RSD 0.7"]
    assert set(page.texts(".arms section:last-child .who")) == {"D", "T"}
    assert page.tab.locator(".arms section:last-child details.lost").count() == 1
    assert page.tab.locator("pre.text").first.inner_text().startswith(HOSTILE)
    page.tab.close()


def test_questions_are_found(browser: Any, report: Path) -> None:
    """By their words, and where arms disagree."""
    page = Shown(browser, report.as_uri())

    page.tab.locator("#search").fill("q/1")

    assert page.tab.locator("details.question").count() == 1
    page.tab.close()


def test_it_is_sealed(report: Path) -> None:
    """A policy lets nothing run but its own script; nothing is fetched."""
    text = report.read_text(encoding="utf-8")

    assert "default-src 'none'; script-src 'sha256-" in text
    assert re.findall(r' (?:src|href)="(?!data:)', text) == []
    assert "<img src=x" not in text
