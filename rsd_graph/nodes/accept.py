"""Accept: y_i = y^_i. The draft's words become the answer's."""

from __future__ import annotations

from typing import Any

from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import RSDState
from rsd_graph.early.hedge import Hedge
from rsd_graph.nodes.request import tokens_of
from rsd_graph.nodes.settle import accepted_steps, settle


async def accept_step(state: RSDState, *, hedge: Hedge, limits: Limits) -> dict[str, Any]:
    """Settle every candidate of the run."""
    steps = accepted_steps(state, len(state["candidates"]))
    entry = {
        "accepted_steps": len(steps),
        "kept_draft_tokens": tokens_of(state["candidates"]),
    }
    return settle(state, steps, limits, entry, hedge.accepted(state["seed"]))
