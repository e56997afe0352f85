"""Target: y_i ~ P_M(. | z_i). The large model writes the rejected step anew, unscored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rsd_graph.answer.state import Candidate, RSDState
from rsd_graph.early.hedge import Hedge
from rsd_graph.early.lookahead import Drafter
from rsd_graph.errors import ContextOverflowError
from rsd_graph.nodes.request import StepOptions, tokens_of
from rsd_graph.nodes.settle import accepted_steps, rewritten_step, settle


async def target_step(
    state: RSDState,
    *,
    hedge: Hedge,
    drafter: Drafter,
    options: StepOptions,
    accepted: Callable[[RSDState], int],
) -> dict[str, Any]:
    """Settle the candidates before the first rejection, then the target's step in its place."""
    count = accepted(state)
    kept, rejected, unused = _split(state["candidates"], count)
    ahead = drafter.reject(state["seed"], count)
    request = options.request(state, role="target", ahead=kept)
    candidate, early = await hedge.write_step(state["seed"], request)
    if candidate["ended"] == "context" and not (candidate["text"] or kept or state["steps"]):
        raise ContextOverflowError(
            "the question alone fills the model's context.",
            role="target",
            expected="a prompt that leaves room for an answer",
            hint="Shorten the conversation or serve the target with a longer context.",
        )
    steps = [*accepted_steps(state, count), rewritten_step(state, count, candidate)]
    entry = {
        "target": candidate["usage"],
        "accepted_steps": count,
        "target_steps": 1,
        "kept_draft_tokens": tokens_of(kept),
        "discarded_draft_tokens": tokens_of(rejected),
        "wasted_draft_tokens": tokens_of(unused),
    }
    return settle(state, steps, options.limits, entry, ahead, early)


def _split(run: list[Candidate], count: int) -> tuple[list[Candidate], ...]:
    """The accepted candidates, the rejected one, and those that came after it for nothing."""
    return run[:count], run[count : count + 1], run[count + 1 :]
