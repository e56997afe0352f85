"""Draft: the small model proposes what comes next."""

from __future__ import annotations

from functools import partial

from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import add_usage
from rsd_graph.answer.state import RSDState, Update
from rsd_graph.early.lookahead import Drafter
from rsd_graph.nodes.request import StepOptions


async def draft_step(
    state: RSDState, books: Books, *, drafter: Drafter, options: StepOptions
) -> Update:
    """y^_i ~ P_m(. | z_i), or a run of consecutive drafts if the drafter runs ahead."""
    request_after = partial(options.draft_request, state)
    candidates = await drafter.write_run(state["run"], request_after, books)
    spent = add_usage(*(candidate["usage"] for candidate in candidates))
    books.enter({"draft": spent, "drafted_steps": len(candidates)})
    return {"candidates": candidates, "rewards": []}
