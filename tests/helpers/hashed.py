"""Models whose words, rewards and pace are a function of what they are asked, and no more."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from rsd_graph import Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate


def chance(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but *parts*."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class HashedModel:
    """Writes a step that is a function of prefix and seed, after 0 to *turns* - 1 turns."""

    def __init__(self, name: str, *, use_seed: bool = False, turns: int = 5) -> None:
        self.name = name
        self.use_seed = use_seed
        self.turns = turns
        self.started = self.finished = 0

    async def write_step(self, request: StepRequest) -> Candidate:
        self.started += 1
        key = (self.name, request.prefix.text, request.seed if self.use_seed else 0)
        for _ in range(int(chance(key, "turns") * self.turns)):
            await asyncio.sleep(0)
        self.finished += 1
        ended = "eos" if chance(key, "end") < 0.1 else "separator"
        text, logprob = f"{self.name}{chance(key, 'text'):.6f}", -chance(key, "logprob")
        return candidate(text, ended, tokens=3, logprob=logprob)


class HashedPRM:
    """Rewards that are a function of the steps so far; *rejects* is their share below 0.7."""

    reward_range = (0.0, 1.0)

    def __init__(self, rejects: float) -> None:
        self.rejects = rejects

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        for _ in range(3):
            await asyncio.sleep(0)
        texts = [step["text"] for step in prefix.steps]
        rewards = []
        for item in candidates:
            texts.append(item["text"])
            rewards.append(0.1 if chance("prm", *texts) < self.rejects else 0.9)
        return Scores(rewards, usage())


def transcript(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The settled steps without the times they took."""
    keys = ("text", "source", "reward", "accepted", "ended", "tokens", "rejected_text")
    return [tuple(step[key] for key in keys) for step in answer["steps"]]
