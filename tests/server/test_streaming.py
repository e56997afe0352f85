"""A stream as bytes: what is sent, and what is sent while there is nothing to send."""

from __future__ import annotations

import asyncio
import json
import re
import threading

import httpx
import pytest

from rsd_graph import StepRequest, candidate
from rsd_graph.answer.state import Candidate
from rsd_graph.server import streaming
from tests.helpers.chat_support import functional
from tests.helpers.hashed import HashedPRM
from tests.server.conftest import Serve, stack

TURNS = [{"role": "user", "content": "q"}]
GOLDEN = """\
data: {"id": "ID", "object": "chat.completion.chunk", "created": 0, "model": "m", "system_fingerprint": null, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "logprobs": null, "finish_reason": null}], "usage": null}

data: {"id": "ID", "object": "chat.completion.chunk", "created": 0, "model": "m", "system_fingerprint": null, "choices": [{"index": 0, "delta": {"content": "first"}, "logprobs": null, "finish_reason": null}], "usage": null}

data: {"id": "ID", "object": "chat.completion.chunk", "created": 0, "model": "m", "system_fingerprint": null, "choices": [{"index": 0, "delta": {"content": "\\n\\nsecond"}, "logprobs": null, "finish_reason": null}], "usage": null}

data: {"id": "ID", "object": "chat.completion.chunk", "created": 0, "model": "m", "system_fingerprint": null, "choices": [{"index": 0, "delta": {"content": "\\n\\nso: q"}, "logprobs": null, "finish_reason": null}], "usage": null}

data: {"id": "ID", "object": "chat.completion.chunk", "created": 0, "model": "m", "system_fingerprint": null, "choices": [{"index": 0, "delta": {}, "logprobs": null, "finish_reason": "stop"}], "usage": null}

data: {"id": "ID", "object": "chat.completion.chunk", "created": 0, "model": "m", "system_fingerprint": null, "choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 13, "total_tokens": 63, "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"accepted_prediction_tokens": 3, "rejected_prediction_tokens": 2, "reasoning_tokens": 0}}}

data: [DONE]

"""  # noqa: E501
"""A stream, but for its name and its time."""


def test_the_bytes_of_a_stream(serve: Serve) -> None:
    """Golden server-sent events: one JSON object an event, `[DONE]` at the end."""
    served = serve({"m": functional()})
    body = {"model": "m", "messages": TURNS, "stream": True}
    body["stream_options"] = {"include_usage": True}

    response = httpx.post(f"{served.url}/v1/chat/completions", json=body)

    said = re.sub(r"chatcmpl-\w{24}", "ID", response.text)
    assert re.sub(r'"created": \d+', '"created": 0', said) == GOLDEN
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"


def test_a_silent_stream_stays_alive(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a step is being written, comments are sent, which clients leave out."""
    monkeypatch.setattr(streaming, "KEEP_ALIVE_SECONDS", 0.01)
    model = Slow()
    served = serve({"m": stack(draft=model, prm=HashedPRM(0.0))})
    url, asked = f"{served.url}/v1/chat/completions", {"model": "m", "messages": TURNS}
    lines = []

    with httpx.stream("POST", url, json={**asked, "stream": True}) as response:
        for line in response.iter_lines():
            lines.append(line)
            if line == ": keep-alive":
                model.may_end.set()

    assert lines[:3] == [lines[0], "", ": keep-alive"]
    assert [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert lines[-2:] == ["data: [DONE]", ""]


class Slow:
    """Writes one step, when it may."""

    def __init__(self) -> None:
        self.may_end = threading.Event()

    async def write_step(self, request: StepRequest) -> Candidate:
        await asyncio.to_thread(self.may_end.wait)
        return candidate("7", "eos")
