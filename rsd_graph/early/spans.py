"""When a model was at work, for the timeline of an answer. It is told, never used to decide."""

from __future__ import annotations

import time

from rsd_graph.answer.state import Candidate, Source, Span, Use
from rsd_graph.answer.thinking import in_phase
from rsd_graph.providers.base import StepModel, StepRequest


async def write_step(model: StepModel, request: StepRequest) -> Candidate:
    """A step of *model*, in its phase, with the time at which it was asked for."""
    started = time.time()
    written = in_phase(await model.write_step(request), request.prefix.phase)
    return {**written, "started": started}


def writing_span(role: Source, candidate: Candidate, use: Use) -> list[Span]:
    """The time in which *candidate* was written; nothing where it is not known."""
    if "started" not in candidate:
        return []
    spent = candidate["usage"]
    span = Span(role=role, started=candidate["started"], ms=spent["ms"], use=use)
    return [{**span, "tokens": spent["completion_tokens"]}]


def given_up(role: Source, seconds: float, tokens: int) -> Span:
    """A request that is cancelled now, so many *seconds* after it was sent."""
    span = Span(role=role, started=time.time() - seconds, ms=1000 * seconds, use="wasted")
    return {**span, "tokens": tokens}
