"""The state of one answer, as a node is given it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from rsd_graph.answer.ledger import empty_ledger
from rsd_graph.answer.state import Candidate, RSDState


def state_of(candidates: Sequence[Candidate] = (), **more: Any) -> RSDState:
    """Of a run named "1" with seed 1 that has settled nothing and drafted these."""
    state: dict[str, Any] = {
        "conversation": [{"role": "user", "content": "q"}],
        "seed": 1,
        "run": "1",
        "steps": [],
        "candidates": list(candidates),
        "rewards": [],
        "scoring_ms": 0.0,
        "scoring_started": 0.0,
        "ledger": empty_ledger(),
        "finish_reason": None,
    }
    return cast("RSDState", {**state, **more})
