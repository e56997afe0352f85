"""From bytes to data: what a server sends is parsed and checked here, once, or it is malformed.

A wire declares the part of an answer that it reads as a `Shape`. Strict means strict: no text, no
true and no 3.0 is a count, no number is NaN or infinite, and text is whole Unicode characters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)

from rsd_graph.errors import InputError, MalformedResponseError, RSDError
from rsd_graph.providers.http.endpoint import Endpoint

T = TypeVar("T")

Count = Annotated[int, Field(ge=0, lt=2**53)]
"""How many of something."""


def _few(value: object) -> object:
    if isinstance(value, dict) and len(value) > 10_000:
        raise ValueError("too many")
    return value


LogProbability = Annotated[float, Field(ge=-1e100, le=1e-3)]
"""Natural logarithm of a probability; servers round."""

ListOf = Annotated[list[T], Field(fail_fast=True)]
"""A list that is given up at its first wrong item: pydantic collects a message for each."""


LogProbabilities = Annotated[dict[str, LogProbability], BeforeValidator(_few)]
"""Of several texts; a `dict` has no `fail_fast`."""

_reader: Callable[[Any], TypeAdapter[Any]] = cache(TypeAdapter)
"""Made once for each shape."""


class Shape(BaseModel):
    """The part of an answer that is read; what else a server sends is passed over."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, protected_namespaces=())


def encoded(body: Mapping[str, object], endpoint: Endpoint) -> bytes:
    """A request's body as JSON.

    Raises:
        InputError: A text in it holds half a character, or something in it is not for JSON.
    """
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        is_text = isinstance(error, UnicodeError)
        what = "a lone surrogate is no character" if is_text else type(error).__name__
    raise endpoint.error(
        InputError,
        f"the request cannot be written as JSON ({what}).",
        expected="text of whole Unicode characters, and plain data",
        hint='For text: text.encode("utf-8", "replace").decode().',
    )


def decoded(answer: object, shape: type[T], endpoint: Endpoint, kind: str = "text") -> T:
    """An *answer* as a *shape*: a `Shape`, or a type made of such.

    Args:
        answer: JSON, or what was made of it elsewhere.
        shape: What it must be.
        endpoint: Who sent it.
        kind: The content type it came with.

    Raises:
        MalformedResponseError: It is no JSON, or not of this shape.
    """
    reader = _reader(shape)
    try:
        value: T = (
            reader.validate_json(answer)
            if isinstance(answer, bytes)
            else reader.validate_python(answer)
        )
        return value
    except Exception as error:  # not chained to ours: theirs holds what the server said
        problem = _problem(error)
    if isinstance(answer, bytes) and problem.startswith("Invalid JSON"):
        problem = (
            f"{len(answer)} bytes of {kind} are not JSON{problem.removeprefix('Invalid JSON')}"
        )
    raise malformed(endpoint, problem)


@contextmanager
def reading(endpoint: Endpoint) -> Iterator[None]:
    """Around code that makes sense of an answer: what it trips over is the server's fault.

    Raises:
        MalformedResponseError: The code raised what is no error of ours.
    """
    try:
        yield
    except RSDError:
        raise
    except Exception as error:
        raise malformed(endpoint, _problem(error)) from None


def malformed(endpoint: Endpoint, what: str) -> MalformedResponseError:
    """The error for an answer that is not what the protocol promises."""
    return endpoint.error(
        MalformedResponseError,
        f"the answer cannot be used: {what}.",
        hint="Does the provider in the endpoint string match the server?",
    )


def _problem(error: Exception) -> str:
    """What was wrong, without what was said; but for a word that is none of those there are."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__} {error}"
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "literal_error":
        return f"{where} {first['input']!r}"
    return f"{where}: {first['msg']}" if where else first["msg"]
