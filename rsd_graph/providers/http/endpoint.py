"""Where a model is served, and how patient to be with it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from rsd_graph.errors import ConfigurationError, Role, RSDError, printable

E = TypeVar("E", bound=RSDError)

_MOST_SHOWN = 400
"""Characters of one message: some servers echo the whole prompt back."""

_PASSWORD_LIKE_A_PORT = re.compile(
    r"[^/@:?#]+:\d+(\?(?!\w+=).*@.*|#[^@].*@[^@]*[:/#][^@]*)", re.DOTALL
)
"""`user:12#rest@host:1`, whose password begins like a port: no option follows the "?", or a port or
a path follows the "@", as none does in `host:8000#model@q4`."""

_SESSION_HEADERS = re.compile(r"([\w-]+(:[1-9]\d*)?)(,[\w-]+(:[1-9]\d*)?)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try one HTTP exchange again. There is no other retry layer.

    It is not LangGraph's `RetryPolicy`, which runs a whole node again.

    Attributes:
        attempts: Total tries; 1 means never again.
        max_seconds: No new try is started this many seconds after the first one failed.
        initial_wait: First wait in seconds; it doubles, with jitter, up to *max_wait*.
        max_wait: Longest wait in seconds; a longer `Retry-After` ends the retries.
    """

    attempts: int = 4
    max_seconds: float = 120.0
    initial_wait: float = 0.5
    max_wait: float = 20.0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of one served model.

    Attributes:
        url: Base URL as the server's documentation gives it, with or without `/v1`. Credentials
            in it (`http://:key@host`) become the `api_key`. Several servers of one model are named
            in one URL: `http://gpu1:8000,gpu2:8000/v1`.
        model: Model name the server expects; empty where the server serves just one.
        role: The seat this endpoint is used in; named in errors.
        api_key: Sent as a Bearer token; neither shown nor pickled: after unpickling it is the
            environment's.
        timeout: Seconds one exchange may take.
        max_concurrency: Requests in flight at once, at each server; more wait their turn, first
            come first served. A server that refuses some gets fewer for a while. `"auto"` looks for
            the number itself, up to 1,024; see `level.py`.
        retry: The retry policy.
        session_header: Names of the headers that carry the answer's id, separated by commas; with
            a count, `X-data-parallel-rank:4`, a number below it.
    """

    url: str
    model: str = ""
    role: Role | None = None
    api_key: SecretStr | None = None
    timeout: float = 120.0
    max_concurrency: int | Literal["auto"] = 256
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    session_header: str = "X-Session-ID"

    def __post_init__(self) -> None:
        """Refuse what cannot work; move credentials in the URL out of sight."""
        urls = _one_by_one(self.url)
        parts = urlsplit(self.url) if all(map(_is_usable, urls)) else None
        if parts is None:
            raise ConfigurationError(
                "this is not the URL of an endpoint.",
                role=self.role,
                endpoint=None if "@" in self.url else self.url.partition("?")[0],
                expected="http://host:port/v1 or https://host/v1",
                hint="In a password, @ / ? # are %40 %2F %3F %23." if "@" in self.url else None,
            )
        self._check_settings(len(urls) - len(set(urls)))
        credentials = parts.password or parts.username
        if credentials and self.api_key is None:
            object.__setattr__(self, "api_key", SecretStr(unquote(credentials)))
        if not re.fullmatch(r"[!-~]*", self._key):
            raise ConfigurationError(
                "the API key holds characters that no HTTP header can carry.",
                role=self.role,
                expected="printable ASCII without spaces",
                hint="Was it copied with a line break, or with typographic quotes?",
            )
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        object.__setattr__(self, "url", urlunsplit(bare).rstrip("/"))

    def _check_settings(self, doubles: int) -> None:
        if self.timeout <= 0 or self.most_in_flight < 1:
            raise ConfigurationError(
                f"timeout={self.timeout:g}, max_concurrency={self.max_concurrency}.",
                role=self.role,
                expected='timeout > 0 and max_concurrency >= 1, or "auto"',
            )
        if doubles:
            raise ConfigurationError("a server stands twice in this URL.", role=self.role)
        if not _SESSION_HEADERS.fullmatch(self.session_header):
            raise ConfigurationError(
                f"session_header={self.session_header!r}.",
                role=self.role,
                expected="names of headers, separated by commas, each with or without a :count",
            )

    @property
    def most_in_flight(self) -> int:
        """Requests in flight at once that are never exceeded, at each server."""
        return 1024 if self.max_concurrency == "auto" else self.max_concurrency

    @property
    def replicas(self) -> tuple[Endpoint, ...]:
        """The servers one by one: this endpoint alone, unless its URL names several."""
        urls = _one_by_one(self.url)
        return tuple(replace(self, url=url) for url in urls) if len(urls) > 1 else (self,)

    @property
    def root(self) -> str:
        """The server's root, for routes outside `/v1`."""
        return self.url.removesuffix("/v1")

    @property
    def connect_timeout(self) -> float:
        """Seconds to wait for a connection: a dead host is noticed long before a slow answer."""
        return min(10.0, self.timeout)

    def in_role(self, role: Role) -> Endpoint:
        """The same endpoint in another seat."""
        return replace(self, role=role)

    def error(
        self,
        kind: Callable[..., E],
        message: str,
        *,
        expected: str | None = None,
        hint: str | None = None,
    ) -> E:
        """An error about this endpoint. Every error that may quote its server is made here.

        The words are clipped, and the key, which some servers quote back, is taken out of them.
        """
        return kind(
            self._public(message),
            role=self.role,
            endpoint=str(self),
            expected=expected and self._public(expected),
            hint=hint and self._public(hint),
        )

    def _public(self, text: str) -> str:
        """*text* on one line, clipped, and without the key, however it is escaped."""
        for written in sorted({self._key, repr(self._key)[1:-1], quote(self._key, safe="")})[::-1]:
            text = text.replace(written, "…") if written else text
        line = " ".join(printable(text).split())
        return line if len(line) <= _MOST_SHOWN else f"{line[:_MOST_SHOWN]}…"

    @property
    def _key(self) -> str:
        return self.api_key.get_secret_value() if self.api_key else ""

    def __str__(self) -> str:
        """The address without the key."""
        return f"{self.url}#{self.model}" if self.model else self.url

    def __copy__(self) -> Self:
        """Itself: nothing about it can change."""
        return self

    def __deepcopy__(self, memo: object) -> Self:
        """See `__copy__`; a copy in this process keeps the key."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """What is pickled: all but the key, which never leaves its process."""
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "api_key"}
        return _unpickled, (kept, self.api_key is not None)


def _unpickled(kept: dict[str, Any], had_key: bool) -> Endpoint:
    """The endpoint, with the environment's key if it had one: an empty one if there is none."""
    key = (key_from_environment(kept["role"]) or SecretStr("")) if had_key else None
    return Endpoint(**kept, api_key=key)


def key_from_environment(role: Role | None) -> SecretStr | None:
    """The key of this role (`RSD_<ROLE>_API_KEY`), or the one for all roles (`RSD_API_KEY`)."""
    names = [f"RSD_{role.upper()}_API_KEY"] if role else []
    found = [key for name in (*names, "RSD_API_KEY") if (key := os.environ.get(name))]
    return SecretStr(found[0]) if found else None


def without_credentials(address: str) -> str:
    """An endpoint string or URL without what may be a password, even one not percent-encoded.

    An "@" in an option or in the model's name, behind "?" or "#", is no sign of one; but see
    `_PASSWORD_LIKE_A_PORT`.
    """
    scheme, slashes, rest = address.partition("//")
    host = re.fullmatch(r"([^/@:]+|\[[^]]*\])(:\d*)?(/[^@]*)?", re.split("[?#]", rest)[0])
    shows = host and not _PASSWORD_LIKE_A_PORT.fullmatch(rest)
    return address if shows else scheme + slashes + rest.rpartition("@")[2]


def _one_by_one(url: str) -> list[str]:
    """`http://a:1,b:2/v1` as `http://a:1/v1` and `http://b:2/v1`."""
    scheme, slashes, rest = url.partition("//")
    place = re.split("[/?#]", rest)[0]
    credentials, at, hosts = place.rpartition("@")
    before, after = f"{scheme}{slashes}{credentials}{at}", rest[len(place) :]
    return [f"{before}{host}{after}" for host in hosts.split(",")]


def _is_usable(url: str) -> bool:
    """Whether *url* is the HTTP address of one server."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return False
    # An "@" in the path stands behind a password that holds a slash.
    is_password = "@" in parts.path or _PASSWORD_LIKE_A_PORT.fullmatch(url.partition("//")[2])
    return bool(usable) and not is_password
