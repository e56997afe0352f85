"""The options of `ChatRSD`: three models, and everything `Options` declares."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any, Self

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import AliasChoices, ConfigDict, Field, SkipValidation

from rsd_graph.acceptance import Criterion
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.mistakes import did_you_mean, our_errors
from rsd_graph.answer.options import Options, picked
from rsd_graph.answer.state import Phase
from rsd_graph.answer.thinking import Phases, by_phase
from rsd_graph.chat_models.parts import parts
from rsd_graph.chat_models.shared import Shared
from rsd_graph.errors import ConfigurationError
from rsd_graph.nodes.request import StepOptions
from rsd_graph.providers.base import RewardModelLike, Sampling, StepModelLike
from rsd_graph.providers.thinking import thinking_as
from rsd_graph.stacks.calibrated import check_learned, chosen_criterion
from rsd_graph.stacks.settings import check_whole, from_environment, over

_LANGCHAINS_OWN = {"stream", "ls_structured_output_format"}
"""Call options LangChain reads itself and hands on all the same."""

_DELTA = Options.model_fields["delta"].default

_IN_A_STRING = "Name server and model in one string: target='vllm+http://host:8000/v1#model'."
_INSTEAD: Mapping[str, str] = MappingProxyType(
    {
        "base_url": _IN_A_STRING,
        "openai_api_base": _IN_A_STRING,
        "model_name": _IN_A_STRING,
        "openai_api_key": "Use api_key, or RSD_API_KEY in the environment.",
        "max_completion_tokens": "Use max_tokens: tokens of the whole answer.",
        "max_new_tokens": "Use max_tokens: tokens of the whole answer.",
        "threshold": "Use delta.",
        "n": "A call gives one answer; for several, use batch or other seeds.",
        "frequency_penalty": "Use repetition_penalty.",
        "presence_penalty": "Use repetition_penalty.",
    }
)
"""What other chat models call an option, and what to use here."""


class ChatOptions(BaseChatModel, Options):
    """The fields of `ChatRSD`."""

    model_config = ConfigDict(frozen=False, extra="forbid", arbitrary_types_allowed=True)
    __hash__ = None  # type: ignore[assignment]  # fields can be set: only frozen options have one

    draft: str | SkipValidation[StepModelLike | BaseChatModel] = "embedded:draft"
    """Endpoint string, provider or LangChain chat model of the draft."""
    target: Annotated[
        str | SkipValidation[StepModelLike | BaseChatModel],
        Field(validation_alias=AliasChoices("target", "model")),
    ] = "embedded:target"
    """Endpoint string, provider or LangChain chat model of the target; also named `model`."""
    prm: str | SkipValidation[RewardModelLike] = "embedded:prm"
    """Endpoint string or provider of the process reward model."""
    streaming: bool = False
    """Stream internally even in `invoke`, so that callbacks see every step as it is settled."""
    shared: Shared = Field(default_factory=Shared, exclude=True, repr=False)
    """Connections and graphs, which copies of this model use together."""

    def __init__(self, **said: Any) -> None:
        said = self._by_name(said)
        is_copy = "shared" in said
        if is_copy and said.get("accept") and said.get("delta") == _DELTA:
            del said["delta"]  # LangChain's copies say the defaults, too
        said = over({} if is_copy else from_environment(), said)
        check_whole(said)
        with our_errors(said, type(self).model_fields):
            super().__init__(**said)
        self._check_parts()

    def _check_parts(self) -> None:
        """Refuse what cannot work, before any server is asked or started.

        Raises:
            ConfigurationError: A string names no model, the PRM never gives a reward of delta, or a
                verdict was learned on the words of another draft.
        """
        models = parts(self, serving=False)
        phases = picked(Phases, self)
        StepOptions(picked(Sampling, self), picked(Limits, self), self.step_separator, phases)
        by_phase(self.criterion, phases, thinking_as(phases, models).prm.reward_range)
        check_learned(models.prm, self.draft)

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """See pydantic's `model_validate`.

        Raises:
            ConfigurationError: An option that cannot be used, or does not exist.
        """
        with our_errors({}, ()):
            return super().model_validate(obj, **options)

    @property
    def criterion(self) -> Criterion | Mapping[Phase, Criterion]:
        """The acceptance criterion in force, or one for each phase.

        Raises:
            ConfigurationError: delta names a file that is no calibration, or another PRM's.
        """
        chosen = partial(chosen_criterion, self.accept, self.delta, self.prm)
        key = ("criterion", *map(self.shared.identity, (self.accept, self.delta, self.prm)))
        return self.shared.once(key, chosen)

    def with_options(self, overrides: Mapping[str, Any]) -> Self:
        """This model with some fields replaced for one call.

        Raises:
            ConfigurationError: An option that cannot be used, or does not exist.
        """
        changes = {k: v for k, v in overrides.items() if k not in _LANGCHAINS_OWN}
        if not changes:
            return self
        said = over(self.said(), self._by_name(changes))
        return type(self)(**{**said, "shared": self.shared})

    @classmethod
    def _by_name(cls, said: Mapping[str, Any]) -> dict[str, Any]:
        """Each option by its own name; unknown ones are refused with what to use instead."""
        fields = cls.model_fields
        named = {alias: name for name, field in fields.items() for alias in _aliases(field)}
        for name in said:
            if name not in fields and name not in named:
                hint = _INSTEAD.get(name) or did_you_mean(name, fields.keys() - {"shared"})
                raise ConfigurationError(f"there is no option {name!r}.", hint=hint)
            if name in named and named[name] in said:
                raise ConfigurationError(f"{name} and {named[name]} are one option; say one.")
        return {named.get(name, name): value for name, value in said.items()}


def _aliases(field: Any) -> list[str]:
    """The other names of a field."""
    names = field.validation_alias
    return [str(name) for name in names.choices[1:]] if isinstance(names, AliasChoices) else []
