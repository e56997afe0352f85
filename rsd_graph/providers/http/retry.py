"""The one retry layer: an allow-list, jitter, and the server's own wish."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential,
    wait_random,
)

from rsd_graph.errors import ProviderError
from rsd_graph.providers.http.endpoint import RetryPolicy
from rsd_graph.providers.logs import get_logger

P = ParamSpec("P")
T = TypeVar("T")


async def with_retries(
    policy: RetryPolicy, exchange: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Await *exchange*, again if its error says `retryable`. Cancellation always passes through.

    An exchange that works at once, as nearly all do, never pays for tenacity's bookkeeping.

    Raises:
        ProviderError: The last error; a note on it tells of the tries before, and how long it took.
    """
    try:
        return await exchange(*args, **kwargs)
    except ProviderError as error:
        if policy.attempts == 1 or not _is_worth_it(error, policy):
            raise
        failed = [error]

    async def attempt() -> T:
        """The try that failed, as tenacity's first; then new ones."""
        if failed:
            raise failed.pop()
        return await exchange(*args, **kwargs)

    return await _retried(policy, attempt)


async def _retried(policy: RetryPolicy, attempt: Callable[[], Awaitable[T]]) -> T:
    story: list[str] = []
    backoff = wait_exponential(policy.initial_wait) + wait_random(0, 1)
    retrying = AsyncRetrying(
        stop=stop_after_attempt(policy.attempts) | stop_before_delay(policy.max_seconds),
        wait=lambda state: max(min(backoff(state), policy.max_wait), _asked_wait(_error_of(state))),
        retry=retry_if_exception(lambda error: _is_worth_it(error, policy)),
        before_sleep=lambda state: story.append(_told(state)),
        reraise=True,
    )
    try:
        return await retrying(attempt)
    except ProviderError as error:
        if story:
            seconds = retrying.statistics["delay_since_first_attempt"]
            tries = f"after {len(story) + 1} attempts in {seconds:.1f} s"
            error.add_note(f"{tries}: {'; '.join(story)}; {type(error).__name__}")
        raise


def _is_worth_it(error: BaseException, policy: RetryPolicy) -> bool:
    retryable = isinstance(error, ProviderError) and error.retryable
    return retryable and _asked_wait(error) <= policy.max_wait


def _asked_wait(error: BaseException | None) -> float:
    """Seconds the server asked us to wait (`Retry-After`), or 0."""
    return (isinstance(error, ProviderError) and error.retry_after) or 0.0


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _told(state: RetryCallState) -> str:
    """Log one scheduled retry, without any text of the request; the same in a few words."""
    error = _error_of(state)
    get_logger(__name__).warning(
        "rsd.retry_scheduled",
        role=getattr(error, "role", None),
        endpoint=getattr(error, "endpoint", None),
        attempt=state.attempt_number,
        wait=round(state.upcoming_sleep, 3),
        error=type(error).__name__,
    )
    return f"{type(error).__name__}, waited {state.upcoming_sleep:.1f} s"
