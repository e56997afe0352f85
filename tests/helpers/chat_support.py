"""Chat models for tests: from scripts, or from functions where many calls run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from rsd_graph import ChatRSD, Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate
from rsd_graph.providers.scripted import (
    FunctionStepModel,
    ScriptedRewardModel,
    ScriptedStepModel,
)

END = candidate("end", "eos")


def scripted(draft: Any, rewards: Any, target: Any = (), **options: Any) -> ChatRSD:
    """A chat model whose three models read from scripts."""
    return ChatRSD(
        draft=ScriptedStepModel(draft),
        target=ScriptedStepModel(target),
        prm=ScriptedRewardModel(rewards),
        **options,
    )


class RewardByText:
    """Rewards a step 0.1 if it contains "wrong", else 0.9."""

    reward_range = (0.0, 1.0)

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        rewards = [0.1 if "wrong" in item["text"] else 0.9 for item in candidates]
        return Scores(rewards, usage(prompt_tokens=10, completion_tokens=1))


def three_steps(request: StepRequest) -> Candidate:
    """Two steps and an end that names the question; the second step is wrong."""
    index, question = len(request.prefix.steps), request.prefix.conversation[-1]["content"]
    text = ["first", "wrong second", f"so: {question}"][index]
    return candidate(text, "eos" if index == 2 else "separator")


def right_second(request: StepRequest) -> Candidate:
    """What the target writes in place of the wrong second step."""
    return candidate("second", cost=usage(prompt_tokens=20, completion_tokens=5))


def functional(**options: Any) -> ChatRSD:
    """Answers any question: `first`, `second` (by the target) and `so: <question>`."""
    parts = {
        "draft": FunctionStepModel(three_steps),
        "target": FunctionStepModel(right_second),
        "prm": RewardByText(),
    }
    return ChatRSD(**{**parts, **options})


class BlockingModel:
    """Writes `first`, then hangs until it is cancelled."""

    def __init__(self) -> None:
        self.hanging = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def write_step(self, request: StepRequest) -> Candidate:
        if not request.prefix.steps:
            return candidate("first")
        self.hanging.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError
