"""The door for other people's code: names that stand for code, ours and that of other packages.

    [project.entry-points."rsd_graph.providers"]     # in the pyproject.toml of any package
    acme = "acme_rsd:AcmeWire"

Once that package is installed, `acme+http://...` can stand wherever `vllm+http://...` can: in
Python, in a stack file, on the command line. Nothing is imported before its name is used.
"""

from __future__ import annotations

import difflib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from rsd_graph.errors import ConfigurationError, Role, RSDError

T = TypeVar("T")


@dataclass(frozen=True)
class Plugins:
    """What can be named of one kind.

    Attributes:
        group: The entry-point group in which other packages offer more of it.
        kind: What it is, in words.
        built_in: Our own: name -> `module:attribute`.
    """

    group: str
    kind: str
    built_in: Mapping[str, str]

    def names(self) -> list[str]:
        """Every name that can be used, sorted."""
        return sorted({entry.name for entry in self._entries()})

    def load(self, name: str) -> Any:
        """What *name* stands for; imported now, if it was not before.

        Raises:
            ConfigurationError: Nothing has this name, or two things have, or the import fails.
        """
        offers = [entry for entry in self._entries() if entry.name == name]
        if not offers:
            raise unknown(f"{self.kind} {name[:80]!r}", name, self.names())
        if len(offers) > 1:
            raise ConfigurationError(
                f"the {self.kind} {name!r} is offered by {' and by '.join(map(_origin, offers))}.",
                expected="one package for each name; ours cannot be replaced",
                hint="Uninstall one of them, or rename its entry point.",
            )
        try:
            return offers[0].load()
        except Exception as error:
            raise ConfigurationError(
                f"the {self.kind} {name!r}, offered by {_origin(offers[0])}, cannot be imported: "
                f"{type(error).__name__}: {error}.",
                expected="an entry point module:attribute that can be imported",
            ) from error

    def _entries(self) -> list[EntryPoint]:
        ours = (EntryPoint(name, at, self.group) for name, at in self.built_in.items())
        return [*ours, *_installed(self.group)]


@cache
def _installed(group: str) -> tuple[EntryPoint, ...]:
    """The entry points of other packages; looking them up takes some milliseconds."""
    return tuple(entry_points(group=group))


def _origin(entry: EntryPoint) -> str:
    package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "rsd-graph itself"
    return f"{package} ({entry.group}: {entry.name} = {entry.value})"


def unknown(what: str, name: str, known: Iterable[str]) -> ConfigurationError:
    """The error for *what* is not there: it says which names are, and which may be meant."""
    names = sorted(known)
    near = nearest(name, names)
    return ConfigurationError(
        f"unknown {what}.",
        expected=f"one of {', '.join(names)}" if names else "none",
        hint=f"Did you mean {near!r}?" if near else None,
    )


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The one of the *known* names that *name* was probably meant to be, if one is near."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1)), None)


def takes_text(made: Callable[..., object]) -> bool:
    """Whether the first argument of *made* is declared as `str`."""
    first = next(iter(_parameters(made)), None)
    return first is not None and first.annotation in (str, "str")


def call(
    made: Callable[..., T],
    *given: object,
    name: str,
    options: Mapping[str, object],
    beside: Iterable[str] = (),
) -> T:
    """*made* called with what is *given*, and with *options* as its signature declares them.

    Text becomes a number, a truth value, a path, one of several words: whatever the annotation
    says, as pydantic reads it. A class with a class method `load` is loaded from the text.

    Args:
        made: A class or a function.
        *given: Its first arguments, handed on as they are.
        name: What *made* is called in errors.
        options: Its other arguments, by name.
        beside: What else may stand where the options were written; named in errors.

    Raises:
        ConfigurationError: An option that is not declared, is missing or cannot be used; or *made*
            itself failed.
    """
    declared = {each.name: each for each in _parameters(made, read=bool(options))[len(given) :]}
    for option in options:
        if option not in declared:
            raise unknown(f"option {option!r} of {name}", option, {*declared, *beside})
    needed = [each.name for each in declared.values() if each.default is each.empty]
    if missing := [option for option in needed if option not in options]:
        raise ConfigurationError(f"{name} needs a value for {', '.join(missing)}.")
    ready = {option: _converted(value, declared[option]) for option, value in options.items()}
    try:
        return made(*given, **ready)
    except RSDError:
        raise
    except Exception as error:
        raise ConfigurationError(
            f"{name} cannot be made: {type(error).__name__}: {error}."
        ) from error


def check_call(
    function: Callable[..., object], count: int, what: str, expected: str, role: Role | None = None
) -> None:
    """Refuse a function that cannot be called with *count* arguments.

    Raises:
        ConfigurationError: It cannot; the message says *what* it is, and what is *expected*.
    """
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError as error:
        called = f"{what} cannot be called with {count} argument{'s' * (count > 1)}: {error}."
        raise ConfigurationError(called, role=role, expected=expected) from None
    except ValueError:  # compiled, and its signature is not known
        pass


def _parameters(made: Callable[..., object], *, read: bool = False) -> list[inspect.Parameter]:
    """The named arguments of *made*, with annotations that are types if they are to be *read*."""
    try:
        parameters = inspect.signature(made, eval_str=read).parameters.values()
    except Exception as error:  # whatever evaluating an annotation raises
        raise ConfigurationError(f"the signature of {made!r} cannot be read: {error}.") from error
    return [each for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]


def _converted(value: object, parameter: inspect.Parameter) -> object:
    kind = parameter.annotation
    if kind is parameter.empty:
        return value
    if isinstance(value, str):
        for each in (kind, *get_args(kind)):
            if hasattr(each, "load"):
                return each.load(value)
    try:
        ready = TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        reason = "; ".join(dict.fromkeys(each["msg"].lower() for each in error.errors()))
        raise _unusable(parameter.name, value, reason) from error
    except PydanticUserError as error:
        raise _unusable(parameter.name, value, "it can only be given in code") from error
    if isinstance(ready, float) and not math.isfinite(ready):
        raise _unusable(parameter.name, value, "it must be finite")
    return ready


def _unusable(option: str, value: object, reason: str) -> ConfigurationError:
    return ConfigurationError(f"option {option!r} cannot be used with {value!r}: {reason}.")
