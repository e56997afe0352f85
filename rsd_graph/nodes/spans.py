"""Who was at work on the candidates of one lap, and when."""

from __future__ import annotations

from rsd_graph.answer.state import RSDState, Span, Use
from rsd_graph.early.spans import writing_span


def decision_spans(state: RSDState, index: int, use: Use) -> list[Span]:
    """The writing of one draft and its scoring: its share of the call that scored all of them."""
    spans = writing_span("draft", state["candidates"][index], use)
    is_scored = bool(state["rewards"]) and state["rewards"][index] is not None
    if not state["scoring_started"] or not is_scored:
        return spans
    share = state["scoring_ms"] / len(state["candidates"])
    started = state["scoring_started"] + index * share / 1000
    # A score that decides is useful, whatever it decides.
    of_score: Use = "wasted" if use == "wasted" else "kept"
    return [*spans, Span(role="prm", started=started, ms=share, use=of_score)]


def spans_beyond(state: RSDState, count: int) -> list[Span]:
    """The drafts after the rejected one, which *count* accepted ones precede: all in vain."""
    beyond = range(count + 1, len(state["candidates"]))
    return [span for index in beyond for span in decision_spans(state, index, "wasted")]
