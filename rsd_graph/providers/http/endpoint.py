"""Where a model is served, and how patient to be with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from rsd_graph.errors import ConfigurationError, Role


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try one HTTP exchange again. There is no other retry layer.

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
            in it (`http://:key@host`) become the `api_key`.
        model: Model name the server expects; empty where the server serves just one.
        role: The seat this endpoint is used in; named in errors.
        api_key: Sent as a Bearer token; shown nowhere.
        timeout: Seconds one exchange may take.
        max_concurrency: Requests in flight at once; more wait their turn, first come first served.
        retry: The retry policy.
    """

    url: str
    model: str = ""
    role: Role | None = None
    api_key: SecretStr | None = None
    timeout: float = 120.0
    max_concurrency: int = 256
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        """Refuse what cannot work; move credentials in the URL out of sight."""
        parts = _split(self.url)
        if parts is None:
            raise ConfigurationError(
                "this is not the URL of an endpoint.",
                role=self.role,
                endpoint=self.url.rpartition("@")[2].partition("?")[0],
                expected="http://host:port/v1 or https://host/v1",
            )
        if self.timeout <= 0 or self.max_concurrency < 1:
            raise ConfigurationError(
                f"timeout={self.timeout:g}, max_concurrency={self.max_concurrency}.",
                role=self.role,
                expected="timeout > 0 and max_concurrency >= 1",
            )
        credentials = parts.password or parts.username
        if credentials and self.api_key is None:
            object.__setattr__(self, "api_key", SecretStr(unquote(credentials)))
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        object.__setattr__(self, "url", urlunsplit(bare).rstrip("/"))

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

    def __str__(self) -> str:
        """The address without the key."""
        return f"{self.url}#{self.model}" if self.model else self.url


def _split(url: str) -> SplitResult | None:
    """The parts of an HTTP address, or `None` if *url* is none."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        return None
    return parts if usable else None
