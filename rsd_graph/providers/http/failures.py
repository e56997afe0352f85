"""What an HTTP failure means, in our words: every body shape of every server we know."""

from __future__ import annotations

import email.utils
import re
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import httpx2

from rsd_graph import errors
from rsd_graph.providers.http.endpoint import Endpoint

_CONTEXT = re.compile(
    r"maximum context length|context.length|exceeds? (the )?(available )?context"
    r"|exceed_context_size|longer than the (model|maximum)|max_tokens must be at least 1"
    r"|more than \d+ characters|must be <= \d+\. Given|must have less than \d+ tokens",
    re.IGNORECASE,
)
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

_FOREIGN = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    httpx2.StreamError,
    aiohttp.ClientError,
    ssl.SSLError,
    OSError,  # TimeoutError is one
)
"""Everything the HTTP client, its transport and the system raise about one exchange."""

_UNREADABLE = (aiohttp.ClientResponseError, httpx2.DecodingError)
"""Somebody answered, but not in HTTP, or in a broken encoding."""


@contextmanager
def mapped_errors(endpoint: Endpoint) -> Iterator[None]:
    """Turn whatever HTTP raises into our tree, naming role and endpoint."""
    try:
        yield
    except _FOREIGN as error:
        # A server may quote the key it was sent; then the chain must not show its words either.
        raise _mapped(error, endpoint) from (None if _tells_key(str(error), endpoint) else error)


def _mapped(error: BaseException, endpoint: Endpoint) -> errors.ProviderError:
    """Our error for one of theirs."""
    root = _root(error)
    if isinstance(root, TimeoutError | httpx2.TimeoutException):
        return _timeout(root, endpoint)
    said = f"({type(root).__name__}: {_clip(_public(str(root), endpoint))})"
    if isinstance(root, _UNREADABLE):
        return _error(
            errors.MalformedResponseError,
            endpoint,
            f"the answer cannot be read {said}.",
            hint="Is this an HTTP server, and the one the provider is for?",
        )
    cut = isinstance(root, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError)
    words = "the connection broke before the answer was complete" if cut else "no connection"
    return _error(
        errors.EndpointConnectionError,
        endpoint,
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
        seconds = f"{endpoint.connect_timeout:g}"
        words, hint = f"no connection within {seconds} s.", "Is the address right and reachable?"
    else:
        words = f"no complete answer within {endpoint.timeout:g} s."
        hint = "Raise the endpoint's timeout, or lower its load or the tokens per step."
    return _error(errors.EndpointTimeoutError, endpoint, words, hint=hint)


def status_error(
    endpoint: Endpoint, status: int, body: Any, headers: Mapping[str, str]
) -> errors.ProviderError:
    """The typed error for one HTTP status and body."""
    text = server_message(body) or "no explanation"
    kind, hint = _BY_STATUS.get(status, (None, None))
    if kind is None:
        kind = errors.ServerError if status >= 500 else errors.BadRequestError
    if 300 <= status < 400:
        text, hint = "a redirect", _redirect_hint(headers.get("location", ""))
    if status in (400, 413, 422) and _overflows(f"{text} {_type_of(body)}"):
        kind, hint = errors.ContextOverflowError, "Shorten the prompt or serve a longer context."
    words = _clip(_public(text, endpoint))
    error = _error(kind, endpoint, f"HTTP {status}: {words.rstrip('.')}.", hint=hint)
    error.status = status
    error.retry_after = _retry_after(headers.get("retry-after"))
    return error


def server_message(body: Any) -> str:
    """The server's own words, wherever this server puts them.

    Knows `{"error": {"message"}}`, `{"error": "text"}`, `{"message"}`, `{"detail"}` as text or as
    a list of validation errors, plain text, a proxy's HTML page, and lists of any of these.
    """
    if isinstance(body, str):
        return re.sub(r"<style.*?</style>|<[^<>]+>", " ", body, flags=re.DOTALL).strip()
    if isinstance(body, list):
        return "; ".join(filter(None, map(server_message, body)))
    if isinstance(body, Mapping):
        for key in ("error", "message", "detail", "msg"):
            if body.get(key):
                return server_message(body[key])
    return ""


def _type_of(body: Any) -> str:
    inner = body.get("error", body) if isinstance(body, Mapping) else None
    return str(inner.get("type", "")) if isinstance(inner, Mapping) else ""


def _overflows(words: str) -> bool:
    """Whether the prompt was too long. Asking for too many new tokens is another mistake."""
    return bool(_CONTEXT.search(words)) and not _TOO_MUCH_ASKED.search(words)


def _redirect_hint(location: str) -> str:
    """Redirects are not followed: on the way a POST may turn into a GET, and keys may leak."""
    to = urlsplit(location)
    return f"Name the address itself: it redirects to {to.scheme}://{to.hostname}{to.path}."


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


def _key(endpoint: Endpoint) -> str:
    return endpoint.api_key.get_secret_value() if endpoint.api_key else ""


def _tells_key(text: str, endpoint: Endpoint) -> bool:
    return bool(_key(endpoint)) and _key(endpoint) in text


def _public(text: str, endpoint: Endpoint) -> str:
    """*text* without the endpoint's key, which some servers quote back."""
    return text.replace(_key(endpoint), "…") if _tells_key(text, endpoint) else text


def _error(
    kind: type[errors.ProviderError], endpoint: Endpoint, message: str, *, hint: str | None = None
) -> errors.ProviderError:
    return kind(message, role=endpoint.role, endpoint=str(endpoint), hint=hint)
