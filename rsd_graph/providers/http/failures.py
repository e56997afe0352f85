"""What an HTTP failure means, in our words: every body shape of every server we know."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping

import aiohttp
import httpx2
from pydantic_core import from_json

from rsd_graph import errors
from rsd_graph.providers.http.answers import malformed
from rsd_graph.providers.http.endpoint import Endpoint, without_credentials

_CONTEXT = re.compile(
    r"maximum context length|context.length|exceeds? (the )?(available )?context"
    r"|exceed_context_size|longer than the (model|maximum)|max_tokens must be at least 1"
    r"|more than \d+ characters|must be <= \d+\. Given|must have less than \d+ tokens",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"<(style|script)\b[^<]*|<[^<>]+>", re.IGNORECASE)
_TOO_MUCH_ASKED = re.compile(r"max_tokens=\d+ cannot be greater", re.IGNORECASE)

_BY_STATUS: dict[int, tuple[type[errors.ProviderError], str]] = {
    401: (errors.AuthenticationError, "Set the endpoint's API key (RSD_API_KEY or api_key=...)."),
    403: (errors.AuthenticationError, "This key may not use this route."),
    404: (errors.ModelNotFoundError, "Check the model name after '#', and the path of the URL."),
    405: (errors.ModelNotFoundError, "Check the path of the URL: this is another server's route."),
    408: (errors.EndpointTimeoutError, "The server gave up waiting; raise its limit or ours."),
    424: (errors.ServerError, "The server failed while generating; see its log."),
    429: (errors.RateLimitError, "Lower max_concurrency for this endpoint."),
    501: (errors.UnsupportedRouteError, "This model does not offer this route: wrong provider?"),
}

_UNREACHED = (httpx2.HTTPError, httpx2.InvalidURL, aiohttp.ClientError, OSError)
"""What the HTTP client, its transport and the system raise. TimeoutError and SSLError are
OSErrors; whatever else comes out of an exchange is an answer that nobody can read."""

_UNREADABLE = (aiohttp.ClientResponseError, httpx2.DecodingError, httpx2.RemoteProtocolError)
"""Somebody answered, but not in HTTP, or in a broken encoding."""


def exchange_error(error: Exception, endpoint: Endpoint) -> errors.ProviderError:
    """Our error for whatever was raised while HTTP was spoken with *endpoint*."""
    root = _root(error)
    if isinstance(root, TimeoutError | httpx2.TimeoutException):
        return _timeout(root, endpoint)
    said = f"({type(root).__name__}: {root})"
    if not isinstance(root, _UNREACHED) or isinstance(root, _UNREADABLE):
        return malformed(endpoint, f"it cannot be read {said}")
    cut = isinstance(root, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError)
    words = "the connection broke before the answer was complete" if cut else "no connection"
    return endpoint.error(
        errors.EndpointConnectionError,
        f"{words} {said}.",
        hint="Is the server running, and is the address right?",
    )


def _root(error: BaseException) -> BaseException:
    """What started it: the transport reports a refused connection as a timeout, wrapped."""
    while isinstance(error, httpx2.TransportError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _timeout(root: BaseException, endpoint: Endpoint) -> errors.ProviderError:
    if isinstance(root, aiohttp.ConnectionTimeoutError):
        words = f"no connection within {endpoint.connect_timeout:g} s."
        hint = "Is the address right and reachable?"
    else:
        words = f"no complete answer within {endpoint.timeout:g} s."
        hint = "Raise the endpoint's timeout, or lower its load or the tokens per step."
    return endpoint.error(errors.EndpointTimeoutError, words, hint=hint)


def status_error(
    endpoint: Endpoint, status: int, body: bytes, headers: Mapping[str, str]
) -> errors.ProviderError:
    """The typed error for one HTTP status and what came with it, cut off or not."""
    said = _said(body)
    text = server_message(said) or "no explanation"
    kind, hint = _BY_STATUS.get(status, (None, None))
    if kind is None:
        kind = errors.ServerError if status >= 500 else errors.BadRequestError
    if 300 <= status < 400:
        # Not followed: on the way a POST may turn into a GET, and the key may leak.
        to = re.split("[?#]", headers.get("location", ""))[0]
        text = "a redirect"
        hint = f"Name the address itself: it redirects to {without_credentials(to)}."
    if status in (400, 413, 422) and _overflows(f"{text} {_type_of(said)}"):
        kind, hint = errors.ContextOverflowError, "Shorten the prompt or serve a longer context."
    error = endpoint.error(kind, f"HTTP {status}: {text.rstrip('.')}.", hint=hint)
    error.status = status
    error.retry_after = _retry_after(headers.get("retry-after", ""))
    return error


def _said(body: bytes) -> object:
    """A refusal's body as data, as far as it goes, or as text."""
    try:
        said: object = from_json(body, allow_partial="trailing-strings")
        return said
    except ValueError:
        return body.decode("utf-8", "replace")


def server_message(body: object) -> str:
    """The server's own words, wherever this server puts them.

    Knows `{"error": {"message"}}`, `{"error": "text"}`, `{"message"}`, `{"detail"}` as text or as
    a list of validation errors, plain text, a proxy's HTML page, and lists of any of these.
    """
    if isinstance(body, str):
        return _MARKUP.sub(" ", body).strip()
    if isinstance(body, list):
        return "; ".join(filter(None, map(server_message, body)))
    if isinstance(body, Mapping):
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                return server_message(body[key])
    return ""


def _type_of(body: object) -> str:
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    return str(inner.get("type", "")) if isinstance(inner, Mapping) else ""


def _overflows(words: str) -> bool:
    """Whether the prompt was too long. Asking for too many new tokens is another mistake."""
    return bool(_CONTEXT.search(words)) and not _TOO_MUCH_ASKED.search(words)


def _retry_after(value: str) -> float | None:
    """Seconds to wait, from either form of the header (a number or an HTTP date)."""
    if re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", value, re.ASCII):
        return max(0.0, float(value))
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError, ArithmeticError, OSError):
        return None
