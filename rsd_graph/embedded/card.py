"""What is known about the embedded models: `models/*card.json`, typed."""

from __future__ import annotations

import functools
import json
from dataclasses import asdict
from importlib import resources

from pydantic import BaseModel, ConfigDict

from rsd_graph.answer.flops import PerRole


class ModelCard(BaseModel):
    """One model.

    Attributes:
        parameters: Its size N, as FLOPs count it.
        license: SPDX name.
        training_command: What trained it.
        seed: Root of everything random in its training.
        held_out_results: What was measured when it was exported, by name.
    """

    model_config = ConfigDict(frozen=True)

    parameters: int
    license: str
    training_command: str
    seed: int
    held_out_results: dict[str, dict[str, object]]


class Card(BaseModel):
    """The three models, and the conditions they were measured under."""

    model_config = ConfigDict(frozen=True)

    draft: ModelCard
    target: ModelCard
    prm: ModelCard
    conditions: dict[str, object]

    @property
    def parameters(self) -> PerRole:
        """Parameter counts, for `rsd_graph.answer.ledger.flops`."""
        return PerRole(self.draft.parameters, self.target.parameters, self.prm.parameters)


@functools.cache
def read_card(prefix: str = "") -> Card:
    """The card that stands beside the models; read once, it cannot change.

    Args:
        prefix: Of the models' names: none for the usual ones, `thinking-` for those that think.
    """
    file = resources.files("rsd_graph.embedded") / "models" / f"{prefix}card.json"
    return Card.model_validate(json.loads(file.read_text(encoding="utf-8")))


def known_parameters(draft: object, target: object, prm: object) -> dict[str, float] | None:
    """Parameter counts of the three models, if they are one of our sets."""
    named = {"draft": draft, "target": target, "prm": prm}
    for prefix in ("", "thinking-"):
        if all(model == f"embedded:{prefix}{role}" for role, model in named.items()):
            return asdict(read_card(prefix).parameters)
    return None
