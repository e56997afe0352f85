"""Everything that can go wrong, as one tree.

    RSDError
    ├── ConfigurationError            the caller asked for something impossible   (ValueError)
    │   ├── InputError                an empty question, a message we cannot send
    │   └── CapabilityError           this backend cannot do what RSD needs from it
    └── ProviderError                 an endpoint let us down
        ├── EndpointConnectionError   nobody answers there                        retryable
        ├── EndpointTimeoutError      it took longer than the endpoint's timeout  retryable
        ├── RateLimitError            429                                         retryable
        ├── ServerError               424 and 5xx                                 retryable
        ├── AuthenticationError       401, 403                                    (RuntimeError)
        ├── ModelNotFoundError        404: wrong model name or wrong route        (RuntimeError)
        ├── BadRequestError           400, 413, 415, 422                          (RuntimeError)
        │   └── ContextOverflowError  the prompt does not fit the model
        ├── UnsupportedRouteError     501: the model does not offer this route    (RuntimeError)
        ├── MalformedResponseError    an answer that breaks the protocol          (RuntimeError)
        ├── RewardError               a reward that cannot be used                (RuntimeError)
        └── ScriptExhaustedError      a scripted provider was asked too often     (RuntimeError)

What would only happen again derives from `ValueError` or `RuntimeError` too: LangGraph's default
`RetryPolicy()` leaves those alone and tries everything else again, the retryable errors here above
all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from rsd_graph.answer.ledger import Ledger, Usage
    from rsd_graph.answer.state import Step

Role = Literal["draft", "target", "prm"]


def printable(text: str) -> str:
    """*text* with a space for every character that could steer a terminal or hide in a log."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)


class RSDError(Exception):
    """Base of every error this package raises on purpose.

    Attributes:
        message: What happened, in one sentence.
        role: The seat of the model involved (`"draft"`, `"target"`, `"prm"`), if one was.
        endpoint: Where it is served, without credentials.
        expected: What would have been right.
        hint: What to do about it.
        steps: Steps already settled when it happened. They are never lost.
        ledger: What the run had spent by then, the node that failed and what it cancelled included.
        spent: What the failed call itself had cost, where one of several requests succeeded.
    """

    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        role: Role | None = None,
        endpoint: str | None = None,
        expected: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(printable(message))
        self.message = printable(message)
        self.role = role
        self.endpoint = endpoint and printable(endpoint)
        self.expected = expected and printable(expected)
        self.hint = hint and printable(hint)
        self.steps: list[Step] = []
        self.ledger: Ledger | None = None
        self.spent: Usage | None = None

    def __str__(self) -> str:
        """One line: who, where, what happened, what was expected, what to do."""
        where = " at ".join(part for part in (self.role, self.endpoint) if part)
        parts = [f"{where}: {self.message}" if where else self.message]
        parts += [f"Expected {self.expected}."] if self.expected else []
        parts += [self.hint] if self.hint else []
        return " ".join(parts)


class ConfigurationError(RSDError, ValueError):
    """The parts do not fit together; no endpoint was called."""


class InputError(ConfigurationError):
    """The question or conversation cannot be answered as given."""


class CapabilityError(ConfigurationError):
    """A backend cannot do what this use of it needs; the message says what."""


class ProviderError(RSDError):
    """An endpoint answered wrongly or not at all."""

    status: int | None = None
    retry_after: float | None = None


class EndpointConnectionError(ProviderError):
    """The connection could not be made or broke before the answer was complete."""

    retryable = True


class EndpointTimeoutError(ProviderError):
    """No complete answer within the endpoint's timeout."""

    retryable = True


class AuthenticationError(ProviderError, RuntimeError):
    """The key is missing, wrong or not allowed to use this model (401, 403)."""


class ModelNotFoundError(ProviderError, RuntimeError):
    """The endpoint does not know this model or this route (404)."""


class BadRequestError(ProviderError, RuntimeError):
    """The endpoint refused the request itself (400, 413, 415, 422)."""


class ContextOverflowError(BadRequestError):
    """The prompt is longer than the model's context."""


class RateLimitError(ProviderError):
    """The endpoint is overloaded (429); `retry_after` holds its wish in seconds, if it said."""

    retryable = True


class ServerError(ProviderError):
    """The endpoint failed (424, 5xx)."""

    retryable = True


class UnsupportedRouteError(ProviderError, RuntimeError):
    """The server knows the route but does not implement it for this model (501)."""


class MalformedResponseError(ProviderError, RuntimeError):
    """The answer is not JSON, is cut off, or lacks a field the protocol promises."""


class RewardError(ProviderError, RuntimeError):
    """The PRM's rewards cannot be used: NaN, missing, out of range, or not one per step."""


class ScriptExhaustedError(ProviderError, RuntimeError):
    """A scripted provider ran out of answers: the test asked more than it scripted."""
