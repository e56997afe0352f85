"""What an HTTP failure means, in our words: every body shape of every server we know."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import openai

from rsd_graph import errors
from rsd_graph.providers.endpoint import Endpoint

_CONTEXT = re.compile(
    r"maximum context length|max_model_len|exceed_?s? (the )?(available )?context|context_length"
    r"|exceed_context_size|must be <= \d+\. Given|longer than the model|max_tokens must be at least 1",
    re.IGNORECASE,
)

_BY_STATUS: dict[int, tuple[type[errors.ProviderError], str]] = {
    401: (errors.AuthenticationError, "Set the endpoint's API key (RSD_API_KEY or api_key=...)."),
    403: (errors.AuthenticationError, "This key may not use this route."),
    404: (errors.ModelNotFoundError, "Check the model name after '#', and the path of the URL."),
    408: (errors.EndpointTimeoutError, "The server gave up waiting; raise its limit or ours."),
    424: (errors.ServerError, "The server failed while generating; see its log."),
    429: (errors.RateLimitError, "Lower max_concurrency for this endpoint."),
    501: (errors.UnsupportedRouteError, "This model does not offer this route: wrong provider?"),
}


@contextmanager
def mapped_errors(endpoint: Endpoint) -> Iterator[None]:
    """Turn whatever the SDK raises into our tree, naming role and endpoint."""
    try:
        yield
    except openai.APITimeoutError as error:
        raise _error(
            errors.EndpointTimeoutError,
            endpoint,
            f"no answer within {endpoint.timeout:g} s.",
            hint="Raise the endpoint's timeout or lower the load.",
        ) from error
    except openai.APIConnectionError as error:
        cause = error.__cause__ or error
        raise _error(
            errors.EndpointConnectionError,
            endpoint,
            f"no connection ({type(cause).__name__}: {_clip(str(cause))}).",
            hint="Is the server running, and is the address right?",
        ) from error
    except openai.APIStatusError as error:
        raise status_error(
            endpoint, error.status_code, _body_of(error), error.response.headers
        ) from error


def status_error(
    endpoint: Endpoint, status: int, body: Any, headers: Mapping[str, str]
) -> errors.ProviderError:
    """The typed error for one HTTP status and body."""
    text = server_message(body) or "no explanation"
    kind, hint = _BY_STATUS.get(status, (None, None))
    if kind is None:
        kind = errors.ServerError if status >= 500 else errors.BadRequestError
    if status in (400, 413, 422) and _CONTEXT.search(f"{text} {_type_of(body)}"):
        kind, hint = errors.ContextOverflowError, "Shorten the prompt or serve a longer context."
    error = _error(kind, endpoint, f"HTTP {status}: {_clip(text)}", hint=hint)
    error.status = status
    error.retry_after = _retry_after(headers.get("retry-after"))
    return error


def server_message(body: Any) -> str:
    """The server's own words, wherever this server puts them (protocols section 7, gotcha 40).

    Knows `{"error": {"message"}}`, `{"error": "text"}`, `{"message"}`, `{"detail"}` as text or as
    a list of validation errors, plain text, and lists of any of these.
    """
    if isinstance(body, str):
        return body.strip()
    if isinstance(body, list):
        return "; ".join(filter(None, map(server_message, body)))
    if isinstance(body, Mapping):
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                return server_message(body[key])
    return ""


def _body_of(error: openai.APIStatusError) -> Any:
    """The raw body: the SDK unwraps `error`, and drops what is not JSON."""
    return error.body if error.body is not None else error.response.text


def _type_of(body: Any) -> str:
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    return str(inner.get("type", "")) if isinstance(inner, Mapping) else ""


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from either form of the header (a number or an HTTP date)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _clip(text: str, limit: int = 300) -> str:
    """At most *limit* characters on one line: some servers echo the whole prompt back."""
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def _error(
    kind: type[errors.ProviderError], endpoint: Endpoint, message: str, *, hint: str | None
) -> errors.ProviderError:
    return kind(message, role=endpoint.role, endpoint=str(endpoint), hint=hint)
