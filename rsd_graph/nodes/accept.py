"""Accept: y_i = y^_i. The draft's words become the answer's."""

from __future__ import annotations

from rsd_graph.answer.books import Books
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import RSDState, Update
from rsd_graph.early.hedge import Hedge
from rsd_graph.nodes.request import tokens_of
from rsd_graph.nodes.settle import accepted_steps, settle


async def accept_step(state: RSDState, books: Books, *, hedge: Hedge, limits: Limits) -> Update:
    """Settle every candidate of the run."""
    steps = accepted_steps(state, len(state["candidates"]))
    books.enter({"accepted_steps": len(steps), "kept_draft_tokens": tokens_of(state["candidates"])})
    in_vain = hedge.spans(state["run"])
    books.enter(hedge.accepted(state["run"]))
    return settle(state, steps, limits, books, in_vain)
