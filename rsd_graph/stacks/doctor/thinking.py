"""Does a model that is to think mark its thinking, and does its server know the marker?"""

from __future__ import annotations

from dataclasses import replace

from rsd_graph.providers.base import StepRequest
from rsd_graph.providers.facts import Tokenizing
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.doctor.finding import Finding, Seat, fine

_ENOUGH_TOKENS = 64


async def thinks(seat: Seat, model: HostedModel) -> Finding:
    """What its template shows of the markers, and a first step of thinking.

    A marker of several tokens is one that the model was hardly trained on.
    """
    found = await model.thinker.format()
    if found is None:
        # Writing raises the error that says what to set.
        await model.write_step(_first_thought(seat))
        return fine("no marker")
    opening, closing = found.markers
    by = "its template" if found.tail else "us"
    seen = f"{opening} written by {by}, closed by {found.close!r}"
    if isinstance(model.wire, Tokenizing):
        bare = await model.wire.prompt_ids("x")
        tokens = len(await model.wire.prompt_ids(f"x{closing}")) - len(bare)
        if tokens > 1:
            fix = "Is this a model that thinks? If its marker is another: ?think=<marker>."
            return "warn", f"{seen}; {closing} is {tokens} tokens", fix
    step = await model.write_step(_first_thought(seat))
    return fine(f"{seen}; first step: {step['phase']}, ended by {step['ended']}")


async def is_quiet(seat: Seat, model: HostedModel) -> Finding:
    """What keeps a model from thinking."""
    found = await model.thinker.format()
    if found is None:
        return fine("it marks no thinking: nothing to switch off")
    return fine(f"switched off by {found.prompt('', '', '')!r} in the prompt")


def _first_thought(seat: Seat) -> StepRequest:
    prefix = replace(seat.prefix(), phase="thinking")
    return StepRequest(prefix, min(_ENOUGH_TOKENS, seat.limits.max_step_tokens))
