"""What went wrong, in the shape OpenAI's clients turn into exceptions.

Never told: the prompt, a key, an endpoint's address, the words of a server behind us.
"""

from __future__ import annotations

from dataclasses import dataclass

from rsd_graph import errors

Body = dict[str, object]

TIME_LIMIT = "time_limit"
"""The code of an answer that took too long: the same again would take as long."""


class RefusedError(Exception):
    """A request that is refused before anything is spent.

    Args:
        message: What is wrong with it, in one sentence.
        status: HTTP status.
        kind: OpenAI's `type`.
        param: The field that is wrong.
        code: OpenAI's `code`.
        retry_after: Seconds after which another try may succeed.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(status, message, kind, param, code, retry_after)


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed request."""

    status: int
    message: str
    kind: str
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None
    role: errors.Role | None = None

    @property
    def body(self) -> Body:
        """OpenAI's error object; `rsd.role` names the model that failed, if one did."""
        told: Body = {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }
        if self.role:
            told["rsd"] = {"role": self.role}
        return {"error": told}

    @property
    def headers(self) -> dict[str, str]:
        """When to come back, and whether to: the SDK retries twice unless it is told not to."""
        may_heal = self.status in (408, 502, 504) and self.code != TIME_LIMIT
        retryable = self.retry_after is not None or may_heal
        headers = {"x-should-retry": "true" if retryable else "false"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


_OVERFLOW = "The conversation is longer than a model's context."


def failure_of(error: errors.RSDError) -> Failure:
    """An error of the library as a failed request."""
    role = error.role
    who = f"The {role} model" if role else "A model"
    match error:
        case errors.ContextOverflowError():
            code = "context_length_exceeded"
            return Failure(400, _OVERFLOW, "invalid_request_error", "messages", code, role=role)
        case errors.ConfigurationError():
            return Failure(400, str(error), "invalid_request_error", role=role)
        case errors.RateLimitError():
            wait = int(error.retry_after or 1)
            said = f"{who} is overloaded."
            return Failure(
                503, said, "server_error", code="overloaded", retry_after=wait, role=role
            )
        case errors.EndpointTimeoutError():
            said = f"{who} did not answer in time."
            return Failure(504, said, "server_error", code="upstream_timeout", role=role)
        case _:
            said = f"{who} failed ({type(error).__name__})."
            return Failure(502, said, "upstream_error", code="upstream_error", role=role)
