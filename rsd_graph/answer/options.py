"""Every option of an answer, declared once: what it means, what it may be, what it decides.

From these declarations come the fields of `ChatRSD` and the key of its caches, the schema of a
stack file, the flags of the command line with their help, the environment variables, and the
checks of `create_rsd_graph`. A new option is one declaration here and one use.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, TypeAdapter, ValidationError

from rsd_graph.answer.prices import Prices
from rsd_graph.errors import ConfigurationError

Lookahead = Annotated[int, Field(ge=0)] | Literal["auto"]
OnPRMError = Literal["raise", "target"]

Part = Literal["answer", "waiting", "connection", "report"]
"""What an option decides: the answer itself; what is started before it is known to be needed; how
endpoints are reached; what is told about the answer. Only the first can change its text."""

Where = Literal["code", "file", "flag"]
"""Where an option may be set. What may be a flag may also be an environment variable."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Declared:
    """What an option decides, and where it may be set."""

    decides: Part
    where: tuple[Where, ...] = ("code", "file", "flag")


ANSWER = Declared("answer")
WAITING = Declared("waiting")
CONNECTION = Declared("connection")

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Options(BaseModel):
    """The options of one answer, whoever is asked for it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    delta: Annotated[float | str, Field(union_mode="left_to_right"), ANSWER] = 0.7
    """Accept a draft step iff its reward >= delta; or a file written by `rsd-graph calibrate`,
    which is refused for another PRM than it was calibrated for."""
    accept: Annotated[str | Callable[[float], float] | None, ANSWER] = None
    """Another acceptance criterion instead of delta: a callable, or one by name, such as
    `logistic(alpha=10, delta=0.7)`; see `rsd_graph.acceptance`."""
    temperature: Annotated[float, Field(ge=0, le=2), ANSWER] = 0.0
    """How freely tokens are drawn; 0, the usual one, is greedy."""
    top_p: Annotated[float, Field(gt=0, le=1), ANSWER] = 1.0
    """Draw from the likeliest tokens that hold this much probability together; 1: from all."""
    top_k: Annotated[int, Field(ge=0), ANSWER] = 0
    """Draw from this many of the likeliest tokens; 0: from all."""
    min_p: Annotated[Share, ANSWER] = 0.0
    """Draw from tokens at least this likely relative to the likeliest; 0: from all."""
    repetition_penalty: Annotated[float, Field(gt=0), ANSWER] = 1.0
    """Divides the likelihood of tokens that were there before; 1: off."""
    max_tokens: Annotated[Count, ANSWER] = 4096
    """Tokens of a whole answer, whoever writes them."""
    max_step_tokens: Annotated[Count, ANSWER] = 512
    """Tokens of one step; a draft step cut here goes to the target unscored."""
    max_steps: Annotated[Count, ANSWER] = 100
    """Steps of an answer."""
    seed: Annotated[int | None, ANSWER] = None
    """Root of every random choice; the same seed and question give the same answer."""
    step_separator: Annotated[str, Field(min_length=1), ANSWER] = "\n\n"
    """The text that ends a step."""
    on_prm_error: Annotated[OnPRMError, ANSWER] = "raise"
    """`target` lets the target write a step whose scoring failed; counted in the ledger."""
    stop: Annotated[
        list[str] | None, Field(alias="stop_sequences"), Declared("answer", ("code", "file"))
    ] = None
    """Strings that end the answer, applied to its joined text; not step separators."""
    lookahead: Annotated[Lookahead, WAITING] = 0
    """Steps drafted beyond the one under decision, or `auto`; 0 is Algorithm 1. Never changes the
    answer."""
    max_waste: Annotated[Share, WAITING] = 0.1
    """For `lookahead="auto"`: the share of draft tokens that may be written in vain."""
    hedge: Annotated[Share | None, WAITING] = None
    """Start the target while the PRM still scores, where the estimated probability of a rejection
    is at least this (0: always). Never changes the answer."""
    timeout: Annotated[float | None, Field(gt=0), CONNECTION] = None
    """Seconds one exchange with an endpoint may take (endpoints given as strings)."""
    max_retries: Annotated[int | None, Field(ge=0), CONNECTION] = None
    """Retries of one exchange (endpoints given as strings)."""
    api_key: Annotated[SecretStr | None, Declared("connection", ("code",))] = None
    """Key for endpoints given as strings; the environment's keys are used without it."""
    parameters: Annotated[Mapping[str, float] | None, Declared("report", ("code", "file"))] = None
    """Parameter counts `{"draft": N, "target": N, "prm": N}` for the FLOPs in the metadata."""
    prices: Annotated[Prices | None, Declared("report", ("code", "file"))] = None
    """Money per million tokens by role, for the cost in the metadata; see `rsd_graph.Prices`."""

    def said(self) -> dict[str, Any]:
        """The options that were set, by name; the others have their defaults."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name in self.model_fields_set
        }


@cache
def declared() -> dict[str, Declared]:
    """Every option by name, and its declaration."""
    return {
        name: next(mark for mark in field.metadata if isinstance(mark, Declared))
        for name, field in Options.model_fields.items()
    }


def names_of(part: Part) -> tuple[str, ...]:
    """The options that decide *part*."""
    return tuple(name for name, option in declared().items() if option.decides == part)


def settable_in(place: Where) -> tuple[str, ...]:
    """The options that may be set there."""
    return tuple(name for name, option in declared().items() if place in option.where)


def picked(kind: type[T], options: object) -> T:
    """A *kind* (`Sampling`, `Limits`) made of the options that are its fields."""
    wanted = [field.name for field in fields(kind) if field.name in declared()]  # type: ignore[arg-type]
    return kind(**{name: getattr(options, name) for name in wanted})


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    field = Options.model_fields[name]
    return TypeAdapter(
        Annotated[field.annotation, field],  # type: ignore[arg-type]
        config=ConfigDict(arbitrary_types_allowed=True, hide_input_in_errors=True),
    )


def checked(name: str, value: object) -> Any:
    """*value* as the option *name* holds it; text, as flags and the environment give it, too.

    Raises:
        ConfigurationError: There is no such option, or it cannot be this.
    """
    if name not in declared():
        raise ConfigurationError(
            f"there is no option {name!r}.", hint=did_you_mean(name, declared())
        )
    try:
        return _adapter(name).validate_python(value)
    except ValidationError as error:
        expected = "; ".join(dict.fromkeys(said["msg"].lower() for said in error.errors()))
        raise ConfigurationError(f"{name}={value!r} cannot be used: {expected}.") from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """What there is: the nearest name, or all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(names)}."
