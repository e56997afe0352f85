"""The options of `ChatRSD`: which models, how to decide, how much to spend."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

from langchain_core.language_models.chat_models import BaseChatModel
from pydantic import ConfigDict, Field, SecretStr

from rsd_graph.acceptance import Criterion, reward_threshold
from rsd_graph.answer.options import Lookahead, OnPRMError
from rsd_graph.answer.prices import Prices
from rsd_graph.chat_models.shared import Shared
from rsd_graph.errors import ConfigurationError
from rsd_graph.providers.base import RewardModelLike, StepModelLike
from rsd_graph.stacks.calibrated import calibrated_delta

CONNECTION = ("timeout", "max_retries", "api_key")
"""Fields that say how to reach endpoints given as strings; they do not change the answer."""

WAITING = ("lookahead", "max_waste", "hedge")
"""Fields that say what is started before it is known to be needed; nor do they."""

_LANGCHAINS_OWN = {"stream", "ls_structured_output_format"}
"""Call options LangChain reads itself and hands on all the same."""


class ChatOptions(BaseChatModel):
    """The fields of `ChatRSD`."""

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=True, extra="forbid")

    draft: str | StepModelLike = "embedded:draft"
    """Endpoint string or provider of the draft model."""
    target: str | StepModelLike = Field(default="embedded:target", alias="model")
    """Endpoint string or provider of the target model; also named `model`."""
    prm: str | RewardModelLike = "embedded:prm"
    """Endpoint string or provider of the process reward model."""
    delta: float | str = 0.7
    """Accept a draft step iff its reward >= delta; or a file written by `rsd-graph calibrate`,
    which is refused for another PRM than it was calibrated for."""
    accept: Callable[[float], float] | None = None
    """Another acceptance criterion (see `rsd_graph.acceptance`); replaces `delta`."""
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    max_tokens: int = 4096
    """Tokens of the whole answer, whoever writes them."""
    max_step_tokens: int = 512
    max_steps: int = 100
    seed: int | None = None
    """Root of every random choice; the same seed and question give the same answer."""
    step_separator: str = "\n\n"
    lookahead: Lookahead = 0
    """Steps drafted beyond the one under decision, or `"auto"`; never changes the answer."""
    max_waste: float = 0.1
    """For `lookahead="auto"`: the share of draft tokens that may be written in vain."""
    hedge: float | None = None
    """Start the target while the PRM still scores, where the estimated probability of a rejection
    is at least this (0: always); never changes the answer."""
    on_prm_error: OnPRMError = "raise"
    """`"target"` lets the target write a step whose scoring failed; counted in the ledger."""
    parameters: Mapping[str, float] | None = None
    """Parameter counts `{"draft": N, "target": N, "prm": N}` for the FLOPs in the metadata."""
    prices: Prices | None = None
    """Money per million tokens by role, for the cost in the metadata; see `rsd_graph.Prices`."""
    stop: list[str] | None = Field(default=None, alias="stop_sequences")
    """Strings that end the answer, applied to its joined text; not step separators."""
    timeout: float | None = None
    """Seconds one exchange with an endpoint may take (endpoints given as strings)."""
    max_retries: int | None = None
    """Retries of one exchange (endpoints given as strings)."""
    api_key: SecretStr | None = None
    """Key for endpoints given as strings; the environment's keys are used without it."""
    streaming: bool = False
    """Stream internally even in `invoke`, so that callbacks see every step as it is settled."""
    shared: Shared = Field(default_factory=Shared, exclude=True, repr=False)
    """Connections and graphs, which copies of this model use together."""

    @property
    def criterion(self) -> Criterion:
        """The acceptance criterion in force.

        Raises:
            ConfigurationError: delta names a file that is no calibration, or another PRM's.
        """
        if self.accept is not None:
            return self.accept
        return reward_threshold(calibrated_delta(self.delta, self.prm))

    def with_options(self, overrides: Mapping[str, Any]) -> Self:
        """This model with some fields replaced for one call.

        Raises:
            ConfigurationError: An option this model does not have.
        """
        names = {"model": "target", "stop_sequences": "stop"}
        changes = {names.get(k, k): v for k, v in overrides.items() if k not in _LANGCHAINS_OWN}
        if not changes:
            return self
        if unknown := sorted(set(changes) - set(type(self).model_fields)):
            raise ConfigurationError(
                f"unknown option {', '.join(unknown)}.",
                expected="a field of ChatRSD, such as delta, seed or max_tokens",
            )
        values = {name: getattr(self, name) for name in {*self.model_fields_set, "shared"}}
        return type(self)(**{**values, **changes})
