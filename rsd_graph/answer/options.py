"""Every option of an answer, declared once: what it means, what it may be, what it decides.

From these declarations come the fields of `ChatRSD` and the key of its caches, the schema of a
stack file, the flags of the command line with their help, the environment variables, and the
checks of `create_rsd_graph`, `Sampling` and `Limits`. A new option is one declaration here and one
use.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, SecretStr

from rsd_graph.acceptance import criterion
from rsd_graph.answer.mistakes import did_you_mean as did_you_mean
from rsd_graph.answer.mistakes import our_errors
from rsd_graph.answer.prices import Prices
from rsd_graph.answer.state import Phase
from rsd_graph.errors import Role

Lookahead = Annotated[int, Field(ge=0)] | Literal["auto"]
OnPRMError = Literal["raise", "target"]
WhoThinks = Literal["on", "off", "draft", "target"]
AnswerBy = Literal["rsd", "draft", "target"]
PRMSees = Literal["both", "thinking", "answer"]

OneAccept = str | Callable[[float], float]
Accept = OneAccept | Mapping[Phase, OneAccept]

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


def _number_or_file(delta: float | str) -> float | str:
    """A text that is no number names a file, which has a dot or a slash in its name."""
    usable = set(delta) & set("./\\") if isinstance(delta, str) else math.isfinite(delta)
    if not usable:
        raise ValueError("it is neither a number nor a calibration file such as calibrated.json")
    return delta


def _a_criterion(accept: Accept | None) -> object:
    """A criterion by name stays a name: it can be stored and shown."""
    for each in accept.values() if isinstance(accept, Mapping) else (accept,):
        if isinstance(each, str):
            criterion(each)
    return accept


def _one_for_each_phase(accept: Accept | None) -> object:
    if isinstance(accept, Mapping) and {*accept} != {*get_args(Phase)}:
        raise ValueError("it needs one criterion each for thinking and answer")
    return accept


def _one_for_each_role(parameters: Mapping[str, float]) -> Mapping[str, float]:
    if {*parameters} != {*get_args(Role)}:
        raise ValueError("it needs one number each for draft, target and prm")
    return parameters


class Options(BaseModel):
    """The options of one answer, whoever is asked for it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    delta: Annotated[
        float | str, Field(union_mode="left_to_right"), AfterValidator(_number_or_file), ANSWER
    ] = 0.7
    """Accept a draft step iff its reward >= delta; or a file written by `rsd-graph calibrate`,
    which is refused for another PRM than it was calibrated for."""
    accept: Annotated[
        Accept | None, AfterValidator(_a_criterion), AfterValidator(_one_for_each_phase), ANSWER
    ] = None
    """Another acceptance criterion instead of delta, by name: `logistic(alpha=10, delta=0.7)`; in
    Python any callable of the reward will do, and `{"thinking": ..., "answer": ...}` is one for
    each. See `rsd_graph.acceptance`."""
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
    max_repeats: Annotated[Count, ANSWER] = 4
    """The answer ends when one step has been settled this often, word for word, among the last four
    times as many steps."""
    thinking: Annotated[WhoThinks | None, ANSWER] = None
    """Who thinks before the answer: `on` both writers, `draft` or `target` that one alone, `off`
    neither, though its template would let it. Unset, nobody is known to think."""
    max_thinking_tokens: Annotated[Count | None, ANSWER] = None
    """Tokens of all thinking, after which it is closed; unset, three quarters of max_tokens."""
    max_thinking_steps: Annotated[Count | None, ANSWER] = None
    """Steps of all thinking, after which it is closed; unset, three quarters of max_steps."""
    min_step_tokens: Annotated[Count, ANSWER] = 8
    """A thinking step of fewer tokens, such as "Wait.", is joined with the next."""
    answer_by: Annotated[AnswerBy, ANSWER] = "rsd"
    """Who writes the answer after the thinking: RSD, or one model alone, unscored."""
    prm_sees: Annotated[PRMSees, ANSWER] = "both"
    """The phase that the PRM is shown and judges; the draft's confidence judges the other one, and
    needs logprobs=on."""
    prm_window: Annotated[Count | None, ANSWER] = None
    """Show the PRM the question and at least this many of the last steps, less than twice as many;
    unset, all of them."""
    seed: Annotated[int | None, ANSWER] = None
    """Root of every random choice; the same seed and question give the same answer."""
    step_separator: Annotated[str, Field(min_length=1), ANSWER] = "\n\n"
    """The text that ends a step."""
    on_prm_error: Annotated[OnPRMError, ANSWER] = "raise"
    """`target` lets the target write a step whose scoring failed; counted in the ledger."""
    stop: Annotated[
        list[str] | None,
        Field(validation_alias=AliasChoices("stop", "stop_sequences")),
        Declared("answer", ("code", "file")),
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
    parameters: Annotated[
        Annotated[Mapping[str, float], AfterValidator(_one_for_each_role)] | None,
        Declared("report", ("code", "file")),
    ] = None
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
    wanted = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: getattr(options, name) for name in wanted})


def checked(name: str, value: object) -> Any:
    """*value* as the option *name* holds it; text, as flags and the environment give it, too.

    Raises:
        ConfigurationError: There is no such option, or it cannot be this.
    """
    with our_errors({name: value}, declared()):
        return getattr(Options.model_validate({name: value}), name)


def check_fields(values: object) -> None:
    """Make each field of a dataclass what the option of its name holds.

    Raises:
        ConfigurationError: One cannot be what it is.
    """
    said = {field.name: getattr(values, field.name) for field in fields(values)}  # type: ignore[arg-type]
    with our_errors(said, declared()):
        options = Options.model_validate(said)
    for name in said:
        object.__setattr__(values, name, getattr(options, name))
