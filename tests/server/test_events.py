"""What happens between the steps, for clients that ask for it."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from rsd_graph import EndpointConnectionError
from tests.helpers.chat_support import END, functional, scripted
from tests.server.conftest import Serve, Served

BODY = {"model": "math", "messages": [{"role": "user", "content": "q"}]}
ASKED = {**BODY, "rsd": {"include": ["events"]}}

STORY = [
    ("step_drafted", 0),
    ("step_scored", 0),
    ("step_accepted", 0),
    ("step_settled", 0),
    ("step_drafted", 1),
    ("step_scored", 1),
    ("step_rejected", 1),
    ("step_settled", 1),
    ("step_drafted", 2),
    ("step_scored", 2),
    ("step_accepted", 2),
    ("step_settled", 2),
]


def post(served: Served, body: dict[str, Any]) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/chat/completions", json=body)


def streamed(served: Served, body: dict[str, Any]) -> list[dict[str, Any]]:
    lines = post(served, {**body, "stream": True}).text.splitlines()
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


def kinds(events: list[dict[str, Any]]) -> list[tuple[str, int]]:
    return [(event["type"], event["index"]) for event in events]


def test_a_stream_tells_the_story_of_each_step(serve: Serve) -> None:
    """Each event is a chunk without choices, and a step's come before its text."""
    chunks = streamed(serve({"math": functional()}), ASKED)

    events = [chunk["rsd"]["event"] for chunk in chunks if not chunk["choices"]]
    assert kinds(events) == STORY
    texts = [at for at, chunk in enumerate(chunks) if "first" in json.dumps(chunk["choices"])]
    told = [at for at, chunk in enumerate(chunks) if chunk.get("rsd", {}).get("event")]
    assert told[3] < texts[0] < told[4]


def test_a_body_lists_its_events(serve: Serve) -> None:
    """An answer that is not streamed has them under `rsd`."""
    body = post(serve({"math": functional()}), ASKED).json()

    assert kinds(body["rsd"]["events"]) == STORY


@pytest.mark.parametrize("stream", [False, True])
def test_nobody_hears_of_them_unasked(serve: Serve, stream: bool) -> None:
    """The default body is pure OpenAI."""
    served = serve({"math": functional()})

    assert "step_drafted" not in post(served, {**BODY, "stream": stream}).text


def test_an_answer_that_fails_is_counted_once(serve: Serve) -> None:
    """Its tokens are in `/metrics` as those of any other."""
    failing = scripted(["first", EndpointConnectionError("gone.")], [0.9])
    served = serve({"math": failing, "good": scripted([END], [0.9])})

    assert post(served, BODY).status_code >= 500
    assert post(served, {**BODY, "model": "good"}).status_code == 200

    lines = httpx.get(f"{served.url}/metrics").text.splitlines()
    count = 'rsd_tokens_total{kind="completion",role="draft"'
    assert [line.split()[-1] for line in lines if line.startswith(count)] == ["1.0", "1.0"]
