"""One text from any step model, without the separator ending it where that is possible."""

from __future__ import annotations

from typing import NamedTuple

from rsd_graph.answer.ledger import Usage
from rsd_graph.providers.base import Sampling, StepModel, StepRequest
from rsd_graph.providers.wires.completion import CompletionRequest
from rsd_graph.providers.wires.hosted import HostedModel
from rsd_graph.stacks.doctor.finding import Seat

GREEDY = Sampling()


class Said(NamedTuple):
    """What the model wrote, and what that cost."""

    text: str
    usage: Usage


async def say(
    seat: Seat,
    model: StepModel,
    sampling: Sampling = GREEDY,
    *,
    seed: int = 0,
    max_tokens: int = 64,
) -> Said:
    """Answer the question: the longer the text, the more a wrong token has to show itself in."""
    if isinstance(model, HostedModel):
        prompt = await model.render(seat.conversation)
        request = CompletionRequest(prompt, max_tokens, sampling=sampling, seed=seed)
        done = await model.wire.complete(request)
        return Said(done.text, done.usage)
    step = await model.write_step(StepRequest(seat.prefix(), max_tokens, sampling, seed))
    return Said(step["text"], step["usage"])
