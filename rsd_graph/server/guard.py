"""Who may ask: keys, hosts and origins. Pure ASGI: a client that leaves is still noticed."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from rsd_graph.errors import ConfigurationError
from rsd_graph.server.failures import Failure

LOOPBACK = ("127.0.0.1", "::1", "localhost")

_OPEN = ("/health", "/")
"""Paths that need no key: whether the process lives is no secret, nor is the empty chat box."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask a server.

    Attributes:
        keys: Bearer keys that are let in; empty lets everybody in.
        hosts: Names the server is called by (`Host`); empty allows any.
        origins: Web pages that may call it from a browser; none by default.
    """

    keys: Sequence[str] = ()
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()


def check_binding(host: str, keys: Sequence[str], *, insecure: bool) -> None:
    """Refuse to open a port to a network without a key.

    Raises:
        ConfigurationError: Not a loopback address, no key, and nobody said that this is meant.
    """
    if host in LOOPBACK or keys or insecure:
        return
    raise ConfigurationError(
        f"serving on {host} without a key lets the whole network use your models.",
        expected="a key (--api-key or RSD_SERVE_API_KEYS)",
        hint="Use --host 127.0.0.1, set a key, or say --insecure.",
    )


class Guard:
    """Lets in whoever holds a key, calls us by our name, and comes from where we allow."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access
        self._digests = [_digest(key.encode()) for key in access.keys]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(scope.get("root_path", ""))  # where it is mounted
        failure = self._failure(scope["method"], path, Headers(scope=scope))
        if failure is None:
            await self._app(scope, receive, send)
            return
        response = JSONResponse(failure.body, failure.status, failure.headers)
        await response(scope, receive, send)

    def _failure(self, method: str, path: str, headers: Headers) -> Failure | None:
        if self._access.hosts and _host(headers.get("host", "")) not in self._access.hosts:
            return Failure(403, "This host name is not served here.", "permission_error")
        if not self._is_own_page(headers):
            return Failure(403, "This origin may not use the server.", "permission_error")
        if method == "OPTIONS" or path in _OPEN or not self._digests:
            return None
        if self._holds_key(headers.get("authorization", "")):
            return None
        return Failure(
            401, "The API key is missing or wrong.", "authentication_error", code="invalid_api_key"
        )

    def _is_own_page(self, headers: Headers) -> bool:
        """Whether a browser's page may ask: our own, or a named one. Programs send no origin."""
        origin = headers.get("origin")
        if origin is None or origin in self._access.origins:
            return True
        return urlsplit(origin).netloc == headers.get("host")

    def _holds_key(self, authorization: str) -> bool:
        scheme, _, key = authorization.partition(" ")
        held = _digest(key.encode("latin-1"))
        # Every digest is compared, so that time tells nothing.
        matches = [secrets.compare_digest(held, digest) for digest in self._digests]
        return scheme.lower() == "bearer" and any(matches)


def hosts_for(host: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """The names a server on *host* is called by; a loopback server only by loopback names."""
    return (*LOOPBACK, *names) if host in LOOPBACK else tuple(names)


def _host(header: str) -> str:
    """The host name in a `Host` header, without its port."""
    return urlsplit(f"//{header}").hostname or ""


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
