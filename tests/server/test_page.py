"""`GET /`: the chat box in a real Chromium, on a real server and on one that plays difficult."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import resources
from threading import Thread
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from rsd_graph.server.guard import Access
from tests.helpers.browsing import Shown
from tests.helpers.difficult_server import Difficult
from tests.server.conftest import Serve, stack, thinker

QUESTION = "How many?"


@pytest.fixture
def difficult() -> Iterator[Difficult]:
    server = Difficult()
    thread = Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    yield server
    server.drop()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def page(browser: Any, difficult: Difficult) -> Iterator[Shown]:
    """The chat box of the difficult server."""
    shown = Shown(browser, difficult.url)
    yield shown
    assert (shown.complaints, shown.foreign) == ([], [])
    shown.tab.close()


def ask(page: Shown, question: str = QUESTION) -> None:
    """Type a question and send it."""
    page.tab.locator("#model option").first.wait_for(state="attached")
    page.tab.locator("#question").fill(question)
    page.tab.locator("#question").press("Enter")


def test_an_answer_of_a_real_server(serve: Serve, browser: Any) -> None:
    """Its steps are `ChatRSD`'s, with who wrote them and what it cost."""
    page = Shown(browser, serve().url + "/")
    steps = stack().invoke(QUESTION).response_metadata["rsd"]["steps"]

    ask(page)
    page.wait_for(".turn .facts")

    assert page.texts(".turn .step .said") == [step["text"] for step in steps]
    assert page.texts(".turn .who") == [step["source"][0].upper() for step in steps]
    assert page.tab.locator(".turn .timeline").count() == 1
    assert (page.complaints, page.foreign) == ([], [])
    page.tab.close()


def test_thinking_is_folded_when_the_answer_begins(serve: Serve, browser: Any) -> None:
    """Thoughts stand in a fold of their own; what is in sight is the answer, and j stays in it."""
    page = Shown(browser, serve({"math": thinker()}).url + "/")

    ask(page)
    page.wait_for(".turn .facts")
    folded = page.tab.locator("details.thinking .step").first.is_visible()
    page.tab.locator("#question").blur()
    page.tab.keyboard.press("j")
    focused = page.tab.locator(":focus .said").inner_text()
    page.tab.locator("details.thinking summary").click()

    assert (folded, focused) == (False, "It is 4.")
    assert page.texts("details.thinking .said") == ["Hm.", "Two."]
    assert page.texts(".turn > ol .said") == ["It is 4."]
    assert page.complaints == []
    page.tab.close()


def test_thinking_of_a_server_without_events(difficult: Difficult, page: Shown) -> None:
    """It is open as long as no answer has come."""
    ask(page)
    difficult.say(choices=[{"index": 0, "delta": {"reasoning": "Hm."}, "finish_reason": None}])
    page.tab.locator("details.thinking .step").wait_for(state="visible")
    difficult.say(choices=[{"index": 0, "delta": {"content": "4"}, "finish_reason": None}])
    page.tab.locator(".turn > ol .step").wait_for()

    assert not page.tab.locator("details.thinking .step").is_visible()
    assert page.texts(".turn > ol .said") == ["4"]


def test_the_trace_of_a_stream_is_one(serve: Serve) -> None:
    """What the server sends to whoever asks for it is `rsd-trace/1`."""
    body = {
        "model": "math",
        "messages": [{"role": "user", "content": QUESTION}],
        "rsd": {"include": ["trace", "ledger"]},
    }
    told = httpx.post(serve().url + "/v1/chat/completions", json=body).json()["rsd"]

    schema = resources.files("rsd_graph.viewer") / "rsd-trace-1.schema.json"
    Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(told)


def test_a_server_with_a_key(serve: Serve, browser: Any) -> None:
    """The empty page needs none; the key is typed into it, and stands in no address."""
    page = Shown(browser, serve(access=Access(["secret"])).url + "/")
    addresses: list[str] = []
    page.tab.on("request", lambda asked: addresses.append(asked.url))
    page.tab.get_by_text("This server wants a key").wait_for()

    page.tab.locator("#key").fill("secret")
    page.tab.locator("#key").press("Tab")
    ask(page)
    page.wait_for(".turn .facts")

    assert not any("secret" in url for url in [*addresses, page.tab.url])
    page.tab.close()


def test_the_page_says_what_may_load_it(serve: Serve) -> None:
    """No frame of another page, no guessing of types, nothing kept."""
    headers = httpx.get(serve().url + "/").headers

    assert headers["content-security-policy"] == "frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_a_step_is_shown_as_it_is_decided(difficult: Difficult, page: Shown) -> None:
    """Drafted, scored, rejected, rewritten: each the moment it is known."""
    ask(page)
    difficult.event("step_drafted", 0, text="2+2=5", ended="separator", tokens=3)
    page.tab.locator(".pending", has_text="undecided").wait_for()
    difficult.event("step_scored", 0, reward=0.1)
    page.tab.locator(".pending", has_text="reward 0.10").wait_for()
    difficult.event("step_rejected", 0, reward=0.1, text="2+2=5")
    page.tab.locator(".pending.rejected").wait_for()
    page.tab.get_by_text("The target is writing step 1").wait_for()
    step = {
        "text": "2+2=4", "source": "target", "reward": 0.1, "accepted": False, "ended": "eos",
        "tokens": 3, "ms": 5.0, "rejected_text": "2+2=5",
    }  # fmt: skip
    difficult.event("step_settled", 0, step=step)
    page.tab.locator(".step.target").wait_for()

    assert page.texts(".turn .step .said") == ["2+2=4"]
    assert page.texts("details.lost summary") == ["step 1: rejected draft, reward 0.10"]


def test_text_without_events(difficult: Difficult, page: Shown) -> None:
    """From a server that tells less, the steps are there, their writers unknown."""
    ask(page)
    difficult.say(choices=[{"index": 0, "delta": {"content": "one"}, "finish_reason": None}])
    page.tab.locator(".turn .step").wait_for()

    assert (page.texts(".turn .said"), page.texts(".turn .who")) == (["one"], ["·"])


def test_a_connection_that_drops(difficult: Difficult, page: Shown) -> None:
    """What has come stands; what happened is said; the next question can be asked."""
    ask(page)
    difficult.say(choices=[{"index": 0, "delta": {"content": "one"}, "finish_reason": None}])
    page.tab.locator(".turn .step").wait_for()
    difficult.drop()
    page.tab.get_by_text("The connection was lost").wait_for()

    assert page.texts(".turn .said") == ["one"]
    assert page.tab.locator("#ask").is_enabled()


def test_a_stream_that_stalls(difficult: Difficult, page: Shown) -> None:
    """Silence is counted; signs of life are told from none; Stop ends it."""
    page.tab.clock.install()
    ask(page)
    difficult.event("step_drafted", 0, text="a", ended="separator", tokens=3)
    page.tab.locator(".pending").wait_for()
    page.tab.clock.run_for(12_000)
    page.tab.get_by_text("The PRM is reading step 1. 12 s. The connection is open.").wait_for()
    page.tab.clock.run_for(40_000)
    page.tab.get_by_text("Not even a sign of life").wait_for()
    page.tab.locator("#stop").click()
    page.tab.get_by_text("Stopped; what has come so far stands.").wait_for()

    assert page.tab.locator("#ask").is_enabled()


def test_an_error_in_the_stream(difficult: Difficult, page: Shown) -> None:
    """Its words, under what has come."""
    ask(page)
    difficult.say(error={"message": "The target model failed.", "type": "upstream_error"})
    difficult.written.put(b"data: [DONE]\n\n")
    page.tab.get_by_text("The target model failed.").wait_for()

    assert page.texts(".turn [role=alert]") == ["The target model failed."]


def test_bytes_that_come_one_by_one(difficult: Difficult, page: Shown) -> None:
    """An event cut anywhere, even inside a letter, is one event."""
    ask(page)
    chunk = {"choices": [{"index": 0, "delta": {"content": "Schlüssel"}, "finish_reason": None}]}
    for byte in b": hello\n\ndata: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n":
        difficult.written.put(bytes([byte]))
    page.tab.locator(".turn .step").wait_for()

    assert page.texts(".turn .said") == ["Schlüssel"]


def test_the_newest_step_stays_in_sight(difficult: Difficult, page: Shown) -> None:
    """Unless somebody has scrolled up to read."""
    ask(page)

    def say(number: int) -> None:
        chunk = {"index": 0, "delta": {"content": f"step {number}"}, "finish_reason": None}
        difficult.say(choices=[chunk])
        page.wait_for(".turn .step", number)

    for number in range(1, 31):
        say(number)
    followed = page.tab.evaluate("scrollY > 0")
    page.tab.evaluate("scrollTo(0, 0)")
    say(31)

    assert (followed, page.tab.evaluate("scrollY")) == (True, 0)


def test_hostile_text_stays_text(difficult: Difficult, page: Shown) -> None:
    """From the stream, too."""
    hostile = "</script><img src=x onerror=alert(1)>\u202e"
    ask(page)
    difficult.event("step_drafted", 0, text=hostile, ended="separator", tokens=3)
    page.tab.locator(".pending").wait_for()

    said = page.tab.locator(".pending .said").evaluate("node => node.textContent")
    assert (said, page.tab.evaluate("document.images.length")) == (hostile, 0)
