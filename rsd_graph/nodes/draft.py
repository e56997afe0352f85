"""Draft: the small model proposes what comes next."""

from __future__ import annotations

from functools import partial
from typing import Any

from rsd_graph.answer.ledger import add, add_usage
from rsd_graph.answer.state import RSDState
from rsd_graph.early.lookahead import Drafter
from rsd_graph.nodes.request import StepOptions


async def draft_step(state: RSDState, *, drafter: Drafter, options: StepOptions) -> dict[str, Any]:
    """y^_i ~ P_m(. | z_i), or a run of consecutive drafts if the drafter runs ahead."""
    request_after = partial(options.draft_request, state)
    candidates = await drafter.write_run(state["seed"], request_after)
    entry = {
        "draft": add_usage(*(candidate["usage"] for candidate in candidates)),
        "drafted_steps": len(candidates),
    }
    return {"candidates": candidates, "rewards": [], "ledger": add(state["ledger"], entry)}
