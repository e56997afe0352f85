"""The card tells the truth about the files beside it."""

from __future__ import annotations

import math

import gguf
import pytest

from rsd_graph import PerRole
from rsd_graph.embedded.card import read_card
from rsd_graph.embedded.engine import MODELS, SHIPPED


@pytest.mark.parametrize("role", SHIPPED)
def test_parameters_are_those_in_the_file(role: str) -> None:
    """FLOPs are counted with the size of the model that is really served."""
    tensors = gguf.GGUFReader(MODELS / f"{role}.gguf").tensors

    assert getattr(read_card(), role).parameters == sum(math.prod(t.shape) for t in tensors)


def test_parameters_come_per_role() -> None:
    """As `rsd_graph.flops` takes them."""
    card = read_card()

    assert card.parameters == PerRole(
        card.draft.parameters, card.target.parameters, card.prm.parameters
    )
