"""What pydantic finds wrong, in our words: where it stands, what it is, what there is instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from rsd_graph.errors import ConfigurationError
from rsd_graph.plugins import nearest

_UNKNOWN = ("extra inputs are not permitted", "unexpected keyword argument")


@contextmanager
def our_errors(said: Mapping[str, object], known: Iterable[str]) -> Iterator[None]:
    """Around pydantic's check of the options that were *said*, of those that are *known*.

    Raises:
        ConfigurationError: Names every option that cannot be used, or does not exist.
    """
    try:
        yield
    except ValidationError as error:
        cause = error.errors()[0].get("ctx", {}).get("error")
        if isinstance(cause, ConfigurationError) and not error.errors()[0]["loc"]:
            raise cause from None
        wrong = mistakes(error, said, lambda path: () if path[1:] else known).values()
        raise ConfigurationError(" ".join(wrong)) from None


def mistakes(
    error: ValidationError,
    said: Mapping[str, object],
    known: Callable[[tuple[str, ...]], Iterable[str]],
) -> dict[tuple[str, ...], str]:
    """What pydantic found wrong with what was *said*, in words, by the path to it.

    *known* gives the names there could be at such a path.
    """
    found: dict[tuple[str, ...], list[str]] = {}
    for one in error.errors():
        path = _written(one["loc"], said)
        if one["type"] == "missing":
            path += (str(one["loc"][-1]),)
        text = one["msg"].removeprefix("Value error, ")
        found.setdefault(path, []).append(text[0].lower() + text[1:])
    return {path: _mistake(path, texts, said, known) for path, texts in found.items()}


def _written(location: tuple[int | str, ...], said: object) -> tuple[str, ...]:
    """The path to what was said; pydantic's has the branches of unions in it, too."""
    path: list[str] = []
    for part in location:
        if isinstance(said, Mapping) and part in said:
            path, said = [*path, str(part)], said[part]
    return tuple(path)


def _mistake(
    path: tuple[str, ...],
    texts: list[str],
    said: Any,
    known: Callable[[tuple[str, ...]], Iterable[str]],
) -> str:
    if texts[0] in _UNKNOWN:
        where = f" in {'.'.join(path[:-1])}" if path[1:] else ""
        hint = f" {did_you_mean(path[-1], names)}" if (names := known(path)) else ""
        return f"there is no option {path[-1]!r}{where}.{hint}"
    if texts == ["field required"]:
        return f"{'.'.join(path)} is missing."
    for part in path:
        said = said[part]
    what = ".".join(path) or "this"
    if isinstance(said, str | int | float) and "key" not in what:
        what = f"{what}={said!r}"
    return f"{what} cannot be used: {', or '.join(dict.fromkeys(texts)).rstrip('.')}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What there is: the nearest name, or all of them."""
    names = sorted(known)
    near = nearest(name, names)
    return f"Did you mean {near!r}?" if near else f"There are {', '.join(names)}."
