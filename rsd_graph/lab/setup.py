"""How an arm is set up: three models, the options they are asked with, a system prompt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from rsd_graph.acceptance import Criterion
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import Options, picked
from rsd_graph.answer.state import Message, Phase, initial_state
from rsd_graph.errors import Role
from rsd_graph.providers.base import Models, RewardModel, Sampling, StepModel
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.calibrated import chosen_criterion

ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True, slots=True)
class Setup:
    """What every arm of an experiment is made from.

    Attributes:
        models: Draft, target and PRM.
        options: As `ChatRSD` has them; a delta is a number here, never the name of a file.
        system: System prompt of every question.
    """

    models: Models
    options: Options = field(default_factory=Options)
    system: str | None = None

    @property
    def sampling(self) -> Sampling:
        """How tokens are drawn."""
        return picked(Sampling, self.options)

    @property
    def limits(self) -> Limits:
        """When an answer ends."""
        return picked(Limits, self.options)

    @property
    def delta(self) -> float:
        """The threshold of arms that do not state their own."""
        return float(self.options.delta)

    @property
    def criterion(self) -> Criterion | Mapping[Phase, Criterion]:
        """What accepts a step where an arm states nothing: *accept*, and delta without it.

        Raises:
            ConfigurationError: There is no criterion of that name.
        """
        return chosen_criterion(self.options.accept, self.delta, None)

    def conversation(self, question: str) -> list[Message]:
        """The question as it is asked."""
        return initial_state(question, system=self.system)["conversation"]

    def with_options(self, **changes: object) -> Setup:
        """The same with other options."""
        return replace(self, options=self.options.model_copy(update=changes))

    def with_logprobs(self) -> Setup:
        """The same with a draft that reports log-probabilities, if its server can be asked."""
        draft = self.models.draft
        if not isinstance(draft, HostedModel):
            return self
        return self.with_models(
            draft=HostedModel(draft.wire, logprobs=True, think=draft.thinker.think)
        )

    def with_models(
        self,
        *,
        draft: StepModel | None = None,
        target: StepModel | None = None,
        prm: RewardModel | None = None,
    ) -> Setup:
        """The same with other models in these seats."""
        now = self.models
        models = Models(draft or now.draft, target or now.target, prm or now.prm)
        return replace(self, models=models)
