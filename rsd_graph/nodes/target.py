"""Target: y_i ~ P_M(. | z_i). The large model writes the rejected step anew, unscored."""

from __future__ import annotations

from collections.abc import Callable

from rsd_graph.answer.books import Books
from rsd_graph.answer.state import Candidate, RSDState, Update
from rsd_graph.early.requests import EarlyRequests
from rsd_graph.errors import ContextOverflowError
from rsd_graph.nodes.request import StepOptions, tokens_of
from rsd_graph.nodes.settle import accepted_steps, rewritten_step, settle
from rsd_graph.nodes.spans import spans_beyond


async def target_step(
    state: RSDState,
    books: Books,
    *,
    early: EarlyRequests,
    options: StepOptions,
    accepted: Callable[[RSDState], int],
) -> Update:
    """Settle the candidates before the first rejection, then the target's step in its place."""
    count = accepted(state)
    kept, rejected, unused = _split(state["candidates"], count)
    in_vain = [*spans_beyond(state, count), *early.in_vain(state["run"], count)]
    books.enter(early.drafter.reject(state["run"], count))
    books.enter(
        {
            "accepted_steps": count,
            "kept_draft_tokens": tokens_of(kept),
            "discarded_draft_tokens": tokens_of(rejected),
            "wasted_draft_tokens": tokens_of(unused),
        }
    )
    request = options.request(state, role="target", ahead=kept)
    candidate = await early.hedge.write_step(state["run"], request, books)
    books.enter({"target": candidate["usage"]})
    if candidate["ended"] == "context" and not (candidate["text"] or kept or state["steps"]):
        raise ContextOverflowError(
            "the question alone fills the model's context.",
            role="target",
            endpoint=early.target_endpoint,
            expected="a prompt that leaves room for an answer",
            hint="Shorten the conversation or serve the target with a longer context.",
        )
    books.enter({"target_steps": 1})
    steps = [*accepted_steps(state, count), rewritten_step(state, count, candidate)]
    return settle(state, steps, options.limits, books, in_vain)


def _split(run: list[Candidate], count: int) -> tuple[list[Candidate], ...]:
    """The accepted candidates, the rejected one, and those that came after it for nothing."""
    return run[:count], run[count : count + 1], run[count + 1 :]
