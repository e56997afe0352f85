"""Asking a model for whole answers, and what two servers must agree on."""

from __future__ import annotations

from rsd_graph import Candidate, Prefix, Sampling, StepModel, StepRequest
from rsd_graph.answer.state import Message
from rsd_graph.embedded.task import held_out_problems

PROBLEMS = held_out_problems(5)
GREEDY = Sampling()


async def answer(
    model: StepModel, question: str, sampling: Sampling = GREEDY, seed: int = 0
) -> list[Candidate]:
    """Steps up to the end of the answer, at most 12."""
    conversation, steps = [Message(role="user", content=question)], list[Candidate]()
    while len(steps) < 12 and (not steps or steps[-1]["ended"] == "separator"):
        prefix = Prefix(conversation, list(steps))
        steps.append(await model.write_step(StepRequest(prefix, 64, sampling, seed)))
    return steps


def outline(steps: list[Candidate]) -> list[tuple[str, str, int, int]]:
    """Texts, ends and the servers' own token counts."""
    return [
        (s["text"], s["ended"], s["usage"]["prompt_tokens"], s["usage"]["completion_tokens"])
        for s in steps
    ]
