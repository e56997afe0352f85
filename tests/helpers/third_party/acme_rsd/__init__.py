"""What somebody else's package looks like: it knows only what `rsd_graph` offers to everybody."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Literal

from rsd_graph import (
    Candidate,
    Completion,
    CompletionRequest,
    Endpoint,
    Message,
    Prefix,
    PRMFormat,
    usage,
)
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.prm.format import RECOMPUTE

ENDED: dict[str, Literal["separator", "eos", "length"]] = {
    "word": "separator",
    "eos": "eos",
    "limit": "length",
}


class AcmeWire:
    """A provider: Acme's server, which happens to speak as llama.cpp's does."""

    def __init__(
        self, endpoint: Endpoint, dialect: Literal["plain", "chatty"], cache: bool = True
    ) -> None:
        self._client = Client(endpoint)
        self._dialect = dialect
        self._cache = cache

    @property
    def endpoint(self) -> Endpoint:
        """Where it talks to."""
        return self._client.endpoint

    async def render(self, conversation: Sequence[Message]) -> str:
        """The prompt."""
        answer = await self._client.post("/apply-template", {"messages": list(conversation)}, dict)
        return str(answer["prompt"])

    async def complete(self, request: CompletionRequest) -> Completion:
        """Continue it."""
        body = {
            "prompt": request.prompt,
            "n_predict": request.max_tokens,
            "stop": list(request.stop),
            "temperature": request.sampling.temperature,
            "cache_prompt": self._cache,
        }
        answer = await self._client.post("/completion", body, dict)
        spent = usage(
            prompt_tokens=answer["tokens_evaluated"], completion_tokens=answer["tokens_predicted"]
        )
        return Completion(answer["content"], ENDED[answer["stop_type"]], spent)


def job(name: str) -> dict[str, object]:
    """A provider that takes a text: where the batch system runs the job of this name."""
    return {"provider": "llamacpp", "url": os.environ[f"ACME_JOB_{name.upper()}"], "timeout": 30}


class Brevity:
    """A family of PRMs: likes short steps. Sync, and a plain list."""

    reward_range = (0.0, 1.0)
    providers = ("acme", "llamacpp")

    def __init__(self, endpoint: Endpoint, longest: int = 40) -> None:
        self.endpoint = endpoint
        self._longest = longest

    def score(self, prefix: Prefix, candidates: Sequence[Candidate]) -> list[float]:
        """1 for an empty step, 0 for one of the longest that is liked at all."""
        return [max(0.0, 1 - len(step["text"]) / self._longest) for step in candidates]


CHECK = PRMFormat("acme-check", RECOMPUTE.prompt, "<+>", "<->", max_tokens=16)
"""A family of PRMs whose verdict is a token."""


def cautious(margin: float = 0.1) -> Callable[[float], float]:
    """A criterion: the reward less a margin is the probability of accepting."""
    return lambda reward: max(0.0, min(1.0, reward - margin))
