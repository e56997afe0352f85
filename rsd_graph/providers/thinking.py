"""The three models as they are to think: whom thinking is kept from, and who judges it."""

from __future__ import annotations

from dataclasses import replace

from rsd_graph.answer.thinking import Phases
from rsd_graph.providers.base import Models, StepModel
from rsd_graph.providers.prm.by_phase import by_confidence


def thinking_as(phases: Phases, models: Models) -> Models:
    """*models*, of which those that are not to think are kept from it.

    Raises:
        ConfigurationError: The PRM's rewards have no scale that the draft's confidence could share.
    """
    draft = without_thinking(models.draft) if phases.is_off_for("draft") else models.draft
    target = without_thinking(models.target) if phases.is_off_for("target") else models.target
    prm = models.prm
    if phases.are_told_apart and phases.prm_sees != "both":
        prm = by_confidence(prm, sees=phases.prm_sees)
    return replace(models, draft=draft, target=target, prm=prm)


def without_thinking(model: StepModel) -> StepModel:
    """The same model, kept from thinking where it offers that; others do as they were written."""
    switched: StepModel = getattr(model, "without_thinking", lambda: model)()
    return switched
