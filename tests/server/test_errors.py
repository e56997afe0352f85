"""Every row of the table of errors, as the exception that OpenAI's client makes of it."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path
from typing import Any

import openai
import pytest
from structlog.testing import capture_logs

from rsd_graph import (
    ContextOverflowError,
    EndpointTimeoutError,
    RateLimitError,
    RSDError,
    ServerError,
    StepRequest,
)
from rsd_graph.answer.state import Candidate
from rsd_graph.server import Access
from tests.server.conftest import Serve, Served, stack

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve.md"
ASK: Any = {"model": "math", "messages": [{"role": "user", "content": "How many?"}]}
SECRET = "pr0mpt-of-somebody"


class Model:
    """Fails, or never answers."""

    def __init__(self, error: RSDError | None = None) -> None:
        self.error = error

    async def write_step(self, request: StepRequest) -> Candidate:
        if self.error is not None:
            raise self.error
        await asyncio.Event().wait()
        raise AssertionError


def failing(serve: Serve, error: RSDError | None = None, **allowed: Any) -> Served:
    """A server whose draft fails so, or never answers."""
    return serve({"math": stack(draft=Model(error))}, **allowed)


def draining(serve: Serve) -> Served:
    """A server that is shutting down."""
    served = serve()
    served.app.state.admission.is_draining = True
    return served


LOST = EndpointTimeoutError(SECRET, role="draft")
ROWS: dict[tuple[int, str | None], tuple[Any, Any, type[openai.APIStatusError]]] = {
    (400, "unsupported_parameter"): (
        lambda serve: serve(),
        {"logprobs": True},
        openai.BadRequestError,
    ),
    (400, "unknown_parameter"): (
        lambda serve: serve(),
        {"extra_body": {"sedd": 1, "rsd": {"strict": True}}},
        openai.BadRequestError,
    ),
    (400, "context_length_exceeded"): (
        lambda serve: failing(serve, ContextOverflowError(SECRET)),
        {},
        openai.BadRequestError,
    ),
    (401, "invalid_api_key"): (
        lambda serve: serve(access=Access(["key"])),
        {},
        openai.AuthenticationError,
    ),
    (403, None): (
        lambda serve: serve(),
        {"extra_headers": {"Origin": "https://evil.example"}},
        openai.PermissionDeniedError,
    ),
    (404, "model_not_found"): (lambda serve: serve(), {"model": "other"}, openai.NotFoundError),
    (413, None): (lambda serve: serve(max_body=10), {}, openai.APIStatusError),
    (429, "rate_limit_exceeded"): (
        lambda serve: serve(max_answers=1, max_queue=-1),
        {},
        openai.RateLimitError,
    ),
    (502, "upstream_error"): (
        lambda serve: failing(serve, ServerError(SECRET)),
        {},
        openai.InternalServerError,
    ),
    (503, "overloaded"): (
        lambda serve: failing(serve, RateLimitError(SECRET)),
        {},
        openai.InternalServerError,
    ),
    (503, "shutting_down"): (draining, {}, openai.InternalServerError),
    (504, "upstream_timeout"): (lambda serve: failing(serve, LOST), {}, openai.InternalServerError),
    (504, "time_limit"): (
        lambda serve: failing(serve, max_seconds=0.05),
        {},
        openai.InternalServerError,
    ),
}
"""Status and code: the server, what is asked of it, and the exception."""


@pytest.mark.parametrize(("status", "code"), ROWS, ids=str)
def test_a_row_of_the_table(serve: Serve, status: int, code: str | None) -> None:
    """Its class, status and code; and whether the client may try again is said."""
    make, change, kind = ROWS[status, code]

    with pytest.raises(kind) as caught:
        make(serve).client().chat.completions.create(**{**ASK, **change})

    told = caught.value
    can_help = status in (429, 502, 503, 504) and code != "time_limit"
    assert (told.status_code, told.code) == (status, code)
    assert told.response.headers["x-should-retry"] == str(can_help).lower()
    assert ("retry-after" in told.response.headers) == (status in (429, 503))


def test_the_table_has_no_other_rows() -> None:
    """What the page promises is what is tested here."""
    section = PAGE.read_text("utf-8").partition("## Errors")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d+) \|([^|]*)\|", section, re.MULTILINE)
    told = {(int(status), code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    plain = {(int(status), None) for status, codes in rows if not codes.strip()}

    assert told | plain == set(ROWS)


@pytest.mark.parametrize(
    ("allowed", "change", "param"),
    [
        ({"max_messages": 1}, {"messages": 2 * ASK["messages"]}, "messages"),
        ({"max_tokens": 9}, {"max_tokens": 10}, "max_tokens"),
        ({"max_tokens": 9}, {"max_completion_tokens": 10}, "max_tokens"),
        ({"max_choices": 2}, {"n": 3, "temperature": 1}, "n"),
    ],
)
def test_more_than_the_server_allows(
    serve: Serve, allowed: dict[str, int], change: dict[str, Any], param: str
) -> None:
    """Named, before anything is spent."""
    with pytest.raises(openai.BadRequestError, match=r"[Aa]t most") as caught:
        serve(**allowed).client().chat.completions.create(**{**ASK, **change})

    assert caught.value.param == param


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/models", 405)])
def test_what_is_no_route_is_refused_in_openais_shape(serve: Serve, path: str, status: int) -> None:
    """No such path, no such method."""
    client = serve().client()

    with pytest.raises(openai.APIStatusError) as caught:
        client.post(path.removeprefix("/v1"), cast_to=object)

    assert (caught.value.status_code, caught.value.type) == (status, "invalid_request_error")


def test_nothing_that_was_said_is_in_a_log_or_an_error(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the prompt, nor the caller's key, nor the words of a server behind us."""
    caplog.set_level(logging.DEBUG, logger="rsd_graph")
    caplog.set_level(logging.DEBUG, logger="uvicorn")
    served = failing(serve, ServerError(f"{SECRET} upstream"), access=Access([f"{SECRET} key"]))
    asked: Any = {**ASK, "messages": [{"role": "user", "content": SECRET}]}
    said = []

    with capture_logs() as logs:
        for key in (f"{SECRET} key", f"{SECRET} wrong key"):
            for change in ({}, {"stream": True}, {"temperature": 9}, {"tools": [{"a": SECRET}]}):
                with pytest.raises(openai.APIError) as caught:
                    list(served.client(api_key=key).chat.completions.create(**{**asked, **change}))
                said.append(str(caught.value) + repr(caught.value.body))

    assert len(said) == 8
    assert SECRET not in "".join(said)
    assert SECRET not in caplog.text + repr(logs)
