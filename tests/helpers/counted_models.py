"""A draft, a target and a PRM that can be reasoned about: what they write depends on the prefix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rsd_graph import Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.options import Options
from rsd_graph.answer.state import Candidate
from rsd_graph.lab.setup import Setup
from rsd_graph.providers.base import Models
from rsd_graph.providers.scripted import FunctionStepModel

STEPS = 3

Write = Callable[[StepRequest], Candidate]


def draft_writes(request: StepRequest) -> Candidate:
    """Greedy: right but for the second step. Sampled: wrong there unless its seed is even."""
    if request.prefix.separator != "\n\n":
        return _whole(request, draft_writes)
    index = len(request.prefix.steps)
    lucky = request.sampling.temperature > 0 and request.seed % 2 == 0
    return _step(index, index != 1 or lucky)


def target_writes(request: StepRequest) -> Candidate:
    """Always right."""
    if request.prefix.separator != "\n\n":
        return _whole(request, target_writes)
    return _step(len(request.prefix.steps), True)


def _whole(request: StepRequest, write: Callable[[StepRequest], Candidate]) -> Candidate:
    """An answer asked for at once: all steps, joined."""
    parts: list[Candidate] = []
    while not parts or parts[-1]["ended"] == "separator":
        prefix = Prefix(request.prefix.conversation, parts)
        parts.append(write(replace(request, prefix=prefix, seed=request.seed + len(parts))))
    text = "\n\n".join(part["text"] for part in parts)
    return candidate(text, "eos", cost=usage(prompt_tokens=9, completion_tokens=2 * len(parts)))


def _step(index: int, right: bool) -> Candidate:
    word = "right" if right else "wrong"
    if index == STEPS - 1:
        return candidate("the answer", "eos", cost=usage(prompt_tokens=9, completion_tokens=2))
    return candidate(f"{word} {index}", cost=usage(prompt_tokens=9, completion_tokens=2))


class WordPRM:
    """0.9 for a step without the word "wrong", 0.1 for one with it."""

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        rewards = [0.1 if "wrong" in step["text"] else 0.9 for step in candidates]
        return Scores(rewards, usage(prompt_tokens=20))


def setup(draft: Write = draft_writes, target: Write = target_writes) -> Setup:
    """The three of them."""
    models = Models(FunctionStepModel(draft), FunctionStepModel(target), WordPRM())
    return Setup(models, Options(max_steps=10))
