"""The page in a real Chromium: every screen, from a file, with no word to the network."""

from __future__ import annotations

from typing import Any

import pytest

from rsd_graph.lab.statistics import mcnemar_p_value
from tests.viewer.answers import answer, journal, span, step
from tests.viewer.test_page import HOSTILE


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


def test_the_timeline_shows_who_worked_when_and_for_what(show: Any) -> None:
    """A bar for each span, in its lane; what was rejected or never used is hatched."""
    spans = [
        span("draft", 0.0, 100, "rejected"),
        span("prm", 0.1, 50),
        span("target", 0.15, 200),
        span("draft", 0.1, 40, "wasted"),
    ]
    page = show([answer(0, [{**step("a", 0.1), "spans": spans}])])

    assert page.tab.locator(".timeline rect:not(.waste)").count() == 4
    assert page.tab.locator(".timeline rect.waste").count() == 2
    assert page.texts(".timeline figcaption") == [
        "draft 140 ms, 140 ms of it for nothing. prm 50 ms. target 200 ms. "
        "Hatched: rejected, or never used."
    ]


def test_an_answer_that_was_laid_aside_overnight(show: Any) -> None:
    """The night is left out of its timeline."""
    steps = [
        {**step("a"), "spans": [span("draft", 0, 100)]},
        {**step("b"), "spans": [span("draft", 40_000, 100)]},
    ]
    page = show([answer(0, steps)])

    assert page.tab.locator(".timeline text").last.text_content() == "200 ms"


def test_answers_without_times_have_no_timeline(show: Any) -> None:
    """Those of older versions."""
    assert show([answer(0)]).tab.locator(".timeline").count() == 0


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


def filtered(page: Any, name: str) -> tuple[str, list[str]]:
    """What a filter is called, and the questions it shows."""
    page.tab.locator("#filter").select_option(name)
    return page.texts("#filter option:checked")[0], page.texts(".line span:first-child")


def test_where_the_prm_was_wrong_as_every_step_was_checked(show: Any) -> None:
    """Where an evaluation checked each step, the filters are exact, and steps are marked."""
    none: Any = {"rejected_right": [], "accepted_wrong": []}
    answers = [
        {**answer(0, [step("a", 0.1)]), "prm_mistakes": {**none, "rejected_right": [0]}},
        {**answer(1), "prm_mistakes": {**none, "accepted_wrong": [0]}},
        {**answer(2, right=False), "prm_mistakes": none},
    ]
    page = show(answers)

    assert filtered(page, "vain") == (
        "the PRM rejected a right step (each step was checked)",
        ["q0"],
    )
    assert filtered(page, "passed") == (
        "the PRM let a wrong step pass (each step was checked)",
        ["q1"],
    )
    page.tab.locator(".line").first.click()
    assert "this step is wrong, and was accepted" in page.texts(".step .said")[0]


def test_where_the_prm_was_wrong_by_the_outcome(show: Any) -> None:
    """Elsewhere they go by the answer, and say so."""
    same = {**step("a", 0.1), "rejected_text": "a"}
    page = show([answer(0, [same]), answer(1, right=False), answer(2, [same], right=False)])

    assert filtered(page, "vain") == (
        "the PRM rejected a right step (by the outcome: right, and the target said the same)",
        ["q0"],
    )
    assert filtered(page, "passed") == (
        "the PRM let it pass (by the outcome: wrong, and no step rejected)",
        ["q1"],
    )
    assert filtered(page, "same") == (
        "a rejected draft said what the target said",
        ["q0", "q2"],
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [420, 1200])
def test_it_fits_the_screen(show: Any, scheme: str, width: int) -> None:
    """Nothing runs out to the right, on a phone or a desk, light or dark."""
    size = {"width": width, "height": 800}
    page = show(journal(20), viewport=size, color_scheme=scheme)

    for name in ("Answer", "What if delta", "All answers"):
        page.tab.get_by_role("button", name=name, exact=True).click()
        assert page.tab.evaluate("document.documentElement.scrollWidth") <= width


def test_every_screen_by_keyboard(show: Any) -> None:
    """Tab and Enter reach every screen, and a row of the table opens its answer."""
    page = show(journal(50), journal(50, seed=1))
    headings = []
    for number in range(4):
        page.tab.locator("nav button").nth(number).press("Enter")
        headings.append(page.texts("nav [aria-current=page]")[0])

    page.tab.locator("nav button").nth(2).press("Enter")
    page.tab.locator(".line").nth(3).press("Enter")

    assert headings == ["Answer", "What if delta", "All answers", "Compare"]
    assert "answer 4 of 50: q3" in page.texts("main .row")[0]


def test_what_can_be_used_has_a_name(show: Any) -> None:
    """Buttons, fields and pictures say what they are to a screen reader."""
    page = show(journal(20), journal(20, seed=1))
    nameless = """() => [...document.querySelectorAll("button, input, select, [role=img]")].filter(
        each => !(each.getAttribute("aria-label") || each.innerText || each.closest("label"))
    ).map(each => each.outerHTML)"""
    found = []

    for tab in range(4):
        page.tab.locator("nav button").nth(tab).click()
        found += page.tab.evaluate(nameless)

    assert found == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(show: Any, scheme: str) -> None:
    """Text stands out from what is behind it by 4.5 to 1 at least (WCAG AA), in both schemes."""
    page = show([answer(0, [step("a"), step("b", 0.1)])], color_scheme=scheme)
    measure = """() => {
      const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
      const light = colour => { const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map(channel); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const behind = node => { for (; node; node = node.parentElement) { const colour = getComputedStyle(node).backgroundColor; if (!colour.endsWith(", 0)")) return colour; } return "rgb(255, 255, 255)"; };
      const ratio = node => { const [a, b] = [light(getComputedStyle(node).color), light(behind(node))].sort((x, y) => y - x); return (a + 0.05) / (b + 0.05); };
      return [...document.querySelectorAll("main *, header *")].filter(node => !node.children.length && node.innerText).map(ratio).filter(found => found < 4.5).length;
    }"""  # noqa: E501

    assert page.tab.evaluate(measure) == 0


def test_on_paper(show: Any, tmp_path: Any) -> None:
    """Printed, the buttons are gone and the steps are there."""
    page = show([answer(0)])
    page.tab.emulate_media(media="print")

    assert not page.tab.locator("nav").is_visible()
    assert page.tab.locator(".step .said").is_visible()


def test_the_arms_of_an_evaluation(show: Any) -> None:
    """One journal of several arms: each shown by itself, RSD beside the target first."""
    arms = ("draft only", "target only", "RSD 0.7")
    page = show([{**each, "arm": arm} for arm in arms for each in journal(5)])

    first = page.texts("#one option:checked, #other option:checked")
    page.tab.locator("#one").select_option("0")
    page.tab.locator("#other").select_option("")

    assert first == ["RSD 0.7", "target only"]
    assert page.texts(".facts b")[0] == "5"
    assert page.texts("nav button") == ["Answer", "What if delta", "All answers"]
    assert "one=0" in page.tab.url
