"""An experiment from what was asked for to the setups of its arms."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from rsd_graph import __version__
from rsd_graph.answer.flops import PerRole
from rsd_graph.answer.options import Options, checked, declared, names_of
from rsd_graph.chat_models.naming import model_name
from rsd_graph.embedded.card import known_parameters
from rsd_graph.lab.accounting import Accounting
from rsd_graph.lab.setup import ROLES, Setup
from rsd_graph.providers.address import bare
from rsd_graph.providers.base import Models
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.stacks.calibrated import calibrated_delta, check_learned

SHIPPED = {role: f"embedded:{role}" for role in ROLES}
"""The models that come with the package, as endpoint strings."""

THINKING = {role: f"embedded:thinking-{role}" for role in ROLES}
"""Those that think before they answer."""

_CONTEXT = 1024
_SHIPPED_LIMITS = {"max_tokens": 512, "max_step_tokens": 64, "max_steps": 24}
"""Answers to problems of their own task are short; what runs on is cut soon."""


@dataclass(frozen=True, slots=True)
class Experiment:
    """What is measured, as it was asked for: everything that decides an answer but the arm.

    Attributes:
        settings: Arguments of `ChatRSD` that were given; the shipped models by default.
        dataset: Name of the questions.
        system: System prompt of every question.
        seed: Root of all sampling.
        judge: Endpoint string of the reward model that judges open-ended answers, if one does.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    dataset: str = ""
    system: str | None = None
    seed: int = 0
    judge: str | None = None

    @property
    def endpoints(self) -> dict[str, Any]:
        """Endpoint strings or objects, by role."""
        return {role: self.settings.get(role, spec) for role, spec in SHIPPED.items()}

    @property
    def is_shipped(self) -> bool:
        """Whether all three models are one of our own sets."""
        return {role: bare(spec) for role, spec in self.endpoints.items()} in (SHIPPED, THINKING)

    @property
    def model_names(self) -> dict[str, str]:
        """The same by name, without keys."""
        return {role: model_name(spec) for role, spec in self.endpoints.items()}

    @property
    def options(self) -> Options:
        """How the models are asked; a calibrated delta has been read from its file.

        Raises:
            ConfigurationError: An option that cannot be used, or a file that is no calibration, or
                another PRM's.
        """
        given = {name: checked(name, v) for name, v in self.settings.items() if name in declared()}
        delta = calibrated_delta(given.get("delta", 0.7), self.endpoints["prm"])
        limits = _SHIPPED_LIMITS if self.is_shipped else {}
        return Options(**{**limits, **given, "delta": delta})

    @property
    def accounting(self) -> Accounting:
        """Sizes and prices of the models, as far as they are known."""
        named = {role: bare(spec) for role, spec in self.endpoints.items()}
        counts = self.options.parameters or known_parameters(**named)
        return Accounting(PerRole(**counts) if counts else None, self.options.prices)

    @property
    def identity(self) -> dict[str, object]:
        """Everything that decides a record, beside the question and the arm: a journal's first
        line. Keys in endpoint strings are left out.
        """
        hidden = (*names_of("connection"), *names_of("report"))
        given = {name: value for name, value in self.settings.items() if name not in hidden}
        return {
            "dataset": self.dataset,
            "temperature": 0.0,
            **given,
            "delta": self.options.delta,
            **self.model_names,
            "system": self.system,
            "seed": self.seed,
            "version": __version__,
            **({"judge": model_name(self.judge)} if self.judge else {}),
        }

    def setup(self, number: int = 0) -> Setup:
        """The setup of arm *number*; shipped models on servers of its own.

        On a shared server an arm would find another's work in the prefix cache. Endpoints you
        serve are shared by all arms: to compare full costs there, run one arm at a time.
        """
        specs, options = self.endpoints, self.options
        if self.is_shipped:
            own = f"context={_CONTEXT - number}"
            specs = {r: f"{spec}{'&' if '?' in spec else '?'}{own}" for r, spec in specs.items()}
        connection = {name: getattr(options, name) for name in names_of("connection")}
        models = Models(
            draft=step_model(specs["draft"], "draft", **connection),
            target=step_model(specs["target"], "target", **connection),
            prm=reward_model(specs["prm"], **connection),
        )
        check_learned(models.prm, self.endpoints["draft"])
        return Setup(models, options, self.system)


def environment() -> dict[str, str]:
    """Versions and machine, for whoever compares numbers later."""
    return {
        "rsd-graph": __version__,
        "engine": f"llama.cpp (xllamacpp {_installed('xllamacpp')})",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {platform.system()}",
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
