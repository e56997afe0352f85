"""How answers end: by themselves, with their client, by the clock, with the server."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import threading
from typing import Any

import httpx
import openai
import pytest

from rsd_graph import (
    ChatRSD,
    ContextOverflowError,
    EndpointTimeoutError,
    RateLimitError,
    ServerError,
    StepRequest,
    candidate,
)
from rsd_graph.answer.state import Candidate
from tests.helpers.hashed import HashedPRM
from tests.server.conftest import Serve, Served, stack

QUESTION = [{"role": "user", "content": "How many?"}]
BODY = {"model": "math", "messages": QUESTION}


class Gated:
    """Writes its first step at once, and no other until it is let; counts what is going on."""

    def __init__(self) -> None:
        self.writing = threading.Semaphore(0)
        self.stopped = threading.Semaphore(0)
        self.gate = threading.Event()

    async def write_step(self, request: StepRequest) -> Candidate:
        if not request.prefix.steps:
            return candidate("first", "separator")
        self.writing.release()
        try:
            while not self.gate.is_set():
                await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            self.stopped.release()
            raise
        return candidate("last", "eos")


def gated_stack(model: Gated) -> ChatRSD:
    return stack(draft=model, prm=HashedPRM(0.0))


def metric(served: Served, name: str) -> float:
    lines = httpx.get(f"{served.url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def written(served: Served) -> float:
    """Tokens the draft has written, by the server's own count."""
    return metric(served, 'rsd_tokens_total{kind="completion",role="draft"')


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_stops_the_models(serve: Serve, stream: bool) -> None:
    """Ten answers nobody waits for: each model call is cancelled, nothing stays in flight.

    What they had cost by then is counted: one step of one token each.
    """
    model = Gated()
    served = serve({"math": gated_stack(model)})

    for _ in range(10):
        with _asked(served, stream):
            assert model.writing.acquire(timeout=10)
        assert model.stopped.acquire(timeout=10)

    assert metric(served, "rsd_cancelled_answers_total") == 10
    assert written(served) == 10
    assert metric(served, "rsd_answers_in_flight") == 0
    assert served.app.state.admission.in_flight == 0


def _asked(served: Served, stream: bool) -> socket.socket:
    """A connection on which a question was asked, not yet answered."""
    body = json.dumps({**BODY, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}"
    asked = socket.create_connection(("127.0.0.1", httpx.URL(served.url).port or 0))
    asked.sendall(f"{head}\r\nContent-Type: application/json\r\n\r\n".encode() + body)
    return asked


def test_beyond_seats_and_queue_answers_are_refused(serve: Serve) -> None:
    """One answer at work, one waiting, the third gets 429 and hears when to come back."""
    model = Gated()
    served = serve({"math": gated_stack(model)}, max_answers=1, max_queue=1)
    waiting = [threading.Thread(target=_whole, args=(served,)) for _ in range(2)]
    waiting[0].start()
    assert model.writing.acquire(timeout=10)
    waiting[1].start()
    while served.app.state.admission.in_flight < 2:
        pass

    with pytest.raises(openai.RateLimitError) as caught:
        served.client().chat.completions.create(**BODY)

    model.gate.set()
    for thread in waiting:
        thread.join()
    assert caught.value.response.headers["retry-after"] == "1"


def _whole(served: Served) -> None:
    served.client().chat.completions.create(**BODY)


def test_an_answer_has_its_time(serve: Serve) -> None:
    """A stream that takes too long keeps what it sent, says `length`, then why."""
    served = serve({"math": gated_stack(Gated())}, max_seconds=2.0)

    chunks, error = _streamed(served)

    assert [chunk.choices[0].delta.content for chunk in chunks[:2]] == ["", "first"]
    assert chunks[-1].choices[0].finish_reason == "length"
    assert "longer than 2 s" in str(error)


def _streamed(served: Served) -> tuple[list[Any], openai.APIError]:
    """What came of a stream before it failed, and how it did."""
    chunks = []
    try:
        for chunk in served.client().chat.completions.create(**BODY, stream=True):
            chunks.append(chunk)
    except openai.APIError as error:
        return chunks, error
    raise AssertionError("the stream did not fail")


def test_draining_finishes_what_is_at_work_and_takes_nothing_new(serve: Serve) -> None:
    """Told to end: not ready, new answers get 503, those in flight end as usual."""
    model = Gated()
    served = serve({"math": gated_stack(model)})
    texts: list[str] = []

    def ask() -> None:
        answer = served.client().chat.completions.create(**BODY)
        texts.append(answer.choices[0].message.content)

    thread = threading.Thread(target=ask)
    thread.start()
    assert model.writing.acquire(timeout=10)
    served.app.state.admission.is_draining = True

    ready = httpx.get(f"{served.url}/ready")
    with pytest.raises(openai.InternalServerError) as caught:
        served.client().chat.completions.create(**BODY)
    model.gate.set()
    thread.join()

    assert (ready.status_code, caught.value.status_code) == (503, 503)
    assert texts == ["first\n\nlast"]


def test_what_is_not_done_when_the_drain_ends_is_cut_short(serve: Serve) -> None:
    """SIGTERM: draining at once; then streams end with `length` and an error, settled text stands.

    The model's call is cancelled, and the process has nothing left to wait for.
    """
    model = Gated()
    served = serve({"math": gated_stack(model)}, drain=0.3)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.extend(_streamed(served)))
    thread.start()
    assert model.writing.acquire(timeout=10)

    served.server.handle_exit(signal.SIGTERM, None)
    is_draining = served.app.state.admission.is_draining
    thread.join()

    chunks, error = found
    assert is_draining
    assert [chunk.choices[0].delta.content for chunk in chunks[:2]] == ["", "first"]
    assert chunks[-1].choices[0].finish_reason == "length"
    assert "shutting down" in str(error)
    assert model.stopped.acquire(timeout=10)


class Failing:
    """Writes one step, then fails."""

    def __init__(self, error: Exception, after: int = 0) -> None:
        self.error = error
        self.after = after

    async def write_step(self, request: StepRequest) -> Candidate:
        if len(request.prefix.steps) < self.after:
            return candidate("first", "separator")
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ServerError("secret words", role="target"), 502, "upstream_error"),
        (EndpointTimeoutError("secret words", role="draft"), 504, "upstream_timeout"),
        (RateLimitError("secret words", role="prm"), 503, "overloaded"),
        (ContextOverflowError("secret words", role="draft"), 400, "context_length_exceeded"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_fails_has_a_status(
    serve: Serve, error: Exception, status: int, code: str, stream: bool
) -> None:
    """Which role, what kind, never its words; a stream that has not begun has a status, too."""
    served = serve({"math": stack(draft=Failing(error))})

    response = httpx.post(f"{served.url}/v1/chat/completions", json={**BODY, "stream": stream})

    told = response.json()["error"]
    assert (response.status_code, told["code"]) == (status, code)
    assert told["rsd"]["role"] == error.role  # type: ignore[attr-defined]
    assert "secret" not in response.text


def test_a_stream_that_fails_later_keeps_what_it_sent(serve: Serve) -> None:
    """The settled step stands; the error is the last event."""
    failing = Failing(ServerError("secret words", role="draft"), after=1)
    served = serve({"math": stack(draft=failing, prm=HashedPRM(0.0))})

    chunks, error = _streamed(served)

    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "first"]
    assert "The draft model failed" in str(error)
