"""The look-ahead critical path: how fast one answer could be if the draft never waited in vain."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rsd_graph.answer.state import Candidate
from rsd_graph.lab.latency.loops import LIMITS
from rsd_graph.lab.latency.simulated import Simulated
from rsd_graph.providers.base import Prefix, StepRequest


@dataclass(frozen=True, slots=True)
class Bound:
    """Seconds of one answer's critical path.

    Attributes:
        seconds: With look-ahead.
        hedged: If the target, too, started the moment the rejected draft was written.
        wasted_target_s: What that hedge would cost: target time on steps that are accepted, if it
            starts with every verdict, knowing nothing.
    """

    seconds: float
    hedged: float
    wasted_target_s: float


async def critical_path(question: int, servers: Simulated) -> Bound:
    """The path of an oracle that knows every verdict before it comes but may not act on it early.

    It is the sum of: writing the draft of every step, one after the other; for each rejected one,
    its verdict and then the target's step; and the last verdict. Verdicts on accepted steps cost
    nothing, because the draft writes on meanwhile; no draft is written in vain, and no server is
    ever busy with anything else. Run it on idle servers, for the same question on the same clock.
    """
    clock = asyncio.get_running_loop().time
    workload = servers.questions
    prefix = Prefix(workload.conversation(question))
    steps: list[Candidate] = []
    total = hedged = wasted = 0.0
    for index in range(workload.length(question)):
        request = StepRequest(Prefix(prefix.conversation, steps), LIMITS.max_step_tokens)
        started = clock()
        step = await servers.draft.write_step(request)
        written = clock()
        await servers.prm.score(request.prefix, [step])
        verdict = clock() - written
        total, hedged = total + written - started, hedged + written - started
        if workload.rejected(question, index):
            began = clock()
            step = await servers.target.write_step(request)
            total += verdict + clock() - began
            hedged += max(verdict, clock() - began)
        else:
            wasted += verdict
            if step["ended"] != "separator":
                total, hedged = total + verdict, hedged + verdict
        steps.append(step)
    return Bound(total, hedged, wasted)
