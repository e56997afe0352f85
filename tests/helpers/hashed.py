"""Models whose words, rewards and pace are a function of what they are asked, and no more."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from rsd_graph import EndpointConnectionError, Prefix, Scores, StepRequest, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate


def chance(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but *parts*."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


class Counted:
    """What a server counts: calls begun, answered and failed; the others were closed unanswered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.started = self.finished = self.failed = 0

    def count(self, what: str) -> None:
        """One more, from any thread."""
        with self._lock:
            setattr(self, what, getattr(self, what) + 1)

    @property
    def closed(self) -> int:
        """Calls that were neither answered nor failed."""
        return self.started - self.finished - self.failed


class HashedModel(Counted):
    """Writes a step that is a function of prefix and seed, after 0 to *turns* - 1 turns.

    *fails* is the share of requests that fail, whenever they are made.
    """

    def __init__(
        self, name: str, *, use_seed: bool = False, turns: int = 5, fails: float = 0.0
    ) -> None:
        super().__init__()
        self.name = name
        self.use_seed = use_seed
        self.turns = turns
        self.fails = fails

    async def write_step(self, request: StepRequest) -> Candidate:
        self.count("started")
        key = (self.name, request.prefix.text, request.seed if self.use_seed else 0)
        for _ in range(int(chance(key, "turns") * self.turns)):
            await asyncio.sleep(0)
        if chance(key, "fails") < self.fails:
            self.count("failed")
            raise EndpointConnectionError(f"{self.name} fails at {chance(key):.6f}.")
        self.count("finished")
        ended = "eos" if chance(key, "end") < 0.1 else "separator"
        text, logprob = f"{self.name}{chance(key, 'text'):.6f}", -chance(key, "logprob")
        return candidate(text, ended, tokens=3, logprob=logprob)


class HashedPRM(Counted):
    """Rewards that are a function of the steps so far; *rejects* is their share below 0.7.

    *fails* is the share of steps that cannot be scored: a run with one of them fails as a whole.
    """

    reward_range = (0.0, 1.0)

    def __init__(self, rejects: float, *, fails: float = 0.0) -> None:
        super().__init__()
        self.rejects = rejects
        self.fails = fails

    async def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> Scores:
        self.count("started")
        for _ in range(3):
            await asyncio.sleep(0)
        texts = [step["text"] for step in prefix.steps]
        rewards = []
        for item in candidates:
            texts.append(item["text"])
            if chance("prm fails", *texts) < self.fails:
                self.count("failed")
                raise EndpointConnectionError(f"prm fails at {item['text']}.")
            rewards.append(0.1 if chance("prm", *texts) < self.rejects else 0.9)
        self.count("finished")
        return Scores(rewards, usage())


def transcript(answer: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The settled steps without the times they took."""
    keys = ("text", "source", "reward", "accepted", "ended", "tokens", "rejected_text")
    return [tuple(step[key] for key in keys) for step in answer["steps"]]
