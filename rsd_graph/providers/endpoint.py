"""Where a model is served, and how patient to be with it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from rsd_graph.errors import ConfigurationError, Role


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long to try one HTTP exchange again. There is no other retry layer.

    Attributes:
        attempts: Total tries; 1 means never again.
        max_seconds: No new try is started after this many seconds.
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
        url: Base URL as the server's documentation gives it, with or without `/v1`.
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
        """Refuse what is not an HTTP address; move credentials in it out of sight."""
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                "this is not the URL of an endpoint.",
                role=self.role,
                endpoint=self.url.rpartition("@")[2],
                expected="http://host:port/v1 or https://host/v1",
            )
        if parts.password and self.api_key is None:
            object.__setattr__(self, "api_key", SecretStr(parts.password))
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        object.__setattr__(self, "url", urlunsplit(bare).rstrip("/"))

    @property
    def root(self) -> str:
        """The server's root, for routes outside `/v1`."""
        return self.url.removesuffix("/v1")

    def in_role(self, role: Role) -> Endpoint:
        """The same endpoint in another seat."""
        return replace(self, role=role)

    def __str__(self) -> str:
        """The address without the key."""
        return f"{self.url}#{self.model}" if self.model else self.url
