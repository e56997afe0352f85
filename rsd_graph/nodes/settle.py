"""How decided steps enter the answer and the ledger."""

from __future__ import annotations

from collections.abc import Sequence

from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import settled_tokens
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.state import Candidate, RSDState, Source, Span, Step, Update
from rsd_graph.answer.steps import action_text
from rsd_graph.early.spans import writing_span
from rsd_graph.nodes.spans import decision_spans
from rsd_graph.providers.logs import get_logger


def accepted_steps(state: RSDState, count: int) -> list[Step]:
    """The first *count* candidates as settled steps, each with its share of the PRM's time."""
    drafted, rewards = state["candidates"], state["rewards"]
    share = state["scoring_ms"] / len(drafted) if rewards else 0.0
    steps = []
    for index, candidate in enumerate(drafted[:count]):
        reward = rewards[index] if rewards else None  # where the draft writes alone
        ms = candidate["usage"]["ms"] + share
        step = _step(candidate, "draft", reward, accepted=True, ms=ms)
        steps.append(_with(decision_spans(state, index, "kept"), step))
    return steps


def rewritten_step(state: RSDState, index: int, candidate: Candidate) -> Step:
    """The target's step in place of the draft at *index* of the run, or where there is none."""
    if not state["candidates"]:
        written = _step(candidate, "target", None, accepted=False, ms=candidate["usage"]["ms"])
        return _with(writing_span("target", candidate, "kept"), written)
    draft, reward = state["candidates"][index], state["rewards"][index]
    share = state["scoring_ms"] / len(state["candidates"])
    ms = draft["usage"]["ms"] + share + candidate["usage"]["ms"]
    step = _step(candidate, "target", reward, accepted=False, ms=ms)
    step["rejected_text"] = action_text(draft)
    rewriting = writing_span("target", candidate, "kept")
    return _with([*decision_spans(state, index, "rejected"), *rewriting], step)


def settle(
    state: RSDState,
    steps: list[Step],
    limits: Limits,
    books: Books,
    in_vain: Sequence[Span] = (),
) -> Update:
    """The update that appends *steps* and says if the answer is finished; all costs are booked.

    What their verdicts have shown to be *in_vain* is told with the last of them.
    """
    steps = [*steps[:-1], _with(in_vain, steps[-1])]
    for offset, step in enumerate(steps):
        _log(step, len(state["steps"]) + offset)
    return {
        "steps": steps,
        "candidates": [],
        "rewards": [],
        "finish_reason": limits.finish_reason(
            [*state["steps"], *steps], settled_tokens(books.ledger)
        ),
    }


def _step(
    candidate: Candidate, source: Source, reward: float | None, *, accepted: bool, ms: float
) -> Step:
    step = Step(
        text=candidate["text"],
        source=source,
        reward=reward,
        accepted=accepted,
        ended=candidate["ended"],
        tokens=candidate["usage"]["completion_tokens"],
        ms=ms,
        rejected_text=None,
    )
    if "tool_calls" in candidate:
        step["tool_calls"] = candidate["tool_calls"]
    if "phase" in candidate:
        step["phase"] = candidate["phase"]
    if "reasoning" in candidate:
        step["reasoning"] = candidate["reasoning"]
    return step


def _with(spans: Sequence[Span], step: Step) -> Step:
    return {**step, "spans": [*step.get("spans", ()), *spans]} if spans else step


def _log(step: Step, index: int) -> None:
    """One line per settled step: numbers only, never text."""
    get_logger(__name__).debug(
        "rsd.step_settled",
        step=index,
        source=step["source"],
        reward=step["reward"],
        accepted=step["accepted"],
        ended=step["ended"],
        tokens=step["tokens"],
    )
