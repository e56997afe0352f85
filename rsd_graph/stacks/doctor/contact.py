"""The first words with an endpoint: is it there, does it take the key, does it know the model?"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from rsd_graph.answer.ledger import Usage
from rsd_graph.errors import (
    AuthenticationError,
    BadRequestError,
    ContextOverflowError,
    EndpointConnectionError,
    EndpointTimeoutError,
    ModelNotFoundError,
    RSDError,
)
from rsd_graph.providers.facts import Described, ServerFacts, describe
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.doctor.finding import Check, Finding, Seat, failure, fine

T = TypeVar("T")

_SILENT = (EndpointConnectionError, EndpointTimeoutError)
_SHOWN_MODELS = 5


@dataclass(frozen=True, slots=True)
class Contact:
    """What came of it.

    Attributes:
        checks: The findings; the last one is the first that failed, if one did.
        facts: What the server told of itself.
        answered: Whether there is any use in further checks.
    """

    checks: list[Check]
    facts: ServerFacts = field(default_factory=ServerFacts)
    answered: bool = False


@dataclass(frozen=True, slots=True)
class _Words:
    """What the server told of itself, and what it answered; or why not."""

    told: ServerFacts | RSDError
    answer: Usage | RSDError
    seconds: float
    described: bool

    @property
    def facts(self) -> ServerFacts:
        return self.told if isinstance(self.told, ServerFacts) else ServerFacts()


async def contact(seat: Seat, model: object, ask: Callable[[], Awaitable[Usage]]) -> Contact:
    """Ask *model* about itself and for a first answer, which *ask* gets and tells the cost of."""
    teller = model.wire if isinstance(model, HostedModel) else model
    told = await _tried(describe(teller))
    if isinstance(told, _SILENT):
        return Contact([Check(seat.role, "reachable", *failure(told))])
    started = time.perf_counter()
    answer = await _tried(ask())
    seconds = time.perf_counter() - started
    words = _Words(told, answer, seconds, isinstance(teller, Described))
    checks = []
    for name, finding in _findings(seat, getattr(model, "endpoint", None), words):
        checks.append(Check(seat.role, name, *finding))
        if checks[-1].verdict == "fail":
            break
    return Contact(checks, words.facts, checks[-1].verdict != "fail")


async def _tried(asked: Awaitable[T]) -> T | RSDError:
    try:
        return await asked
    except RSDError as error:
        return error


def _findings(
    seat: Seat, endpoint: Endpoint | None, words: _Words
) -> Iterator[tuple[str, Finding]]:
    """In the order in which things go wrong; without an address, only whether it answers."""
    if endpoint is not None:
        yield "reachable", _reachable(endpoint, words)
        yield "key accepted", _key(endpoint, words)
        yield "model served", _model(endpoint, words)
    yield "answers", _answers(words)
    if endpoint is not None:
        yield "context length", _context(seat, words)


def _reachable(endpoint: Endpoint, words: _Words) -> Finding:
    """A server that has told of itself is there, however long its answer takes."""
    heard = words.described and isinstance(words.told, ServerFacts)
    if isinstance(words.answer, _SILENT) and not heard:
        return failure(words.answer)
    return fine(endpoint.url)


def _key(endpoint: Endpoint, words: _Words) -> Finding:
    """Some servers guard only some routes; what counts is the answer."""
    if isinstance(words.answer, RSDError):
        for error in (words.answer, words.told):
            if isinstance(error, AuthenticationError):
                return failure(error)
    return fine("one was sent, and not refused" if endpoint.api_key else "none sent, none wanted")


def _model(endpoint: Endpoint, words: _Words) -> Finding:
    name, served = endpoint.model, words.facts.models
    shown = ", ".join(served[:_SHOWN_MODELS])
    if isinstance(words.answer, RSDError) and _blames_model(words.answer, name):
        verdict, seen, fix = failure(words.answer)
        if name in served:
            fix = "The name is right, this route is not there: is it the right provider or family?"
        elif served:
            fix = f"It serves {shown}: put that after '#'."
        return verdict, seen, fix
    if name and served and name not in served:
        seen = f"it answers to {name!r}, but says that it serves {shown}"
        return "warn", seen, "Is this the server you mean? It may ignore the name."
    return fine(name or shown or "the only one")


def _blames_model(error: RSDError, name: str) -> bool:
    """Most servers answer 404; some, 400 with the name in it."""
    if isinstance(error, ModelNotFoundError):
        return True
    refused = isinstance(error, BadRequestError) and not isinstance(error, ContextOverflowError)
    return refused and bool(name) and name in error.message


def _answers(words: _Words) -> Finding:
    if isinstance(words.answer, RSDError):
        return failure(words.answer)
    spent = words.answer
    cached = "unreported" if spent["cache_unreported_calls"] else f"{spent['cached_tokens']}"
    return fine(
        f"first answer in {words.seconds:.2f} s: {spent['prompt_tokens']} prompt tokens "
        f"({cached} cached), {spent['completion_tokens']} generated"
    )


def _context(seat: Seat, words: _Words) -> Finding:
    """Whether the longest answer the limits allow fits, after a prompt as long as the example's."""
    length, spent = words.facts.context_length, words.answer
    if length is None or isinstance(spent, RSDError):
        return fine("not reported by this server")
    room = max(length - spent["prompt_tokens"], 0)
    if room >= seat.limits.max_tokens:
        return fine(f"{length} tokens")
    seen = f"{length} tokens leave {room} for an answer, and max_tokens is {seat.limits.max_tokens}"
    fix = "Longer answers end in 'context': serve a longer context, or lower max_tokens."
    return "warn", seen, fix
