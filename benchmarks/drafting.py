"""Two ways to draft ahead of a verdict, bare: for `streamed_lookahead.py`.

* chained: what the package does (its `Drafter`), one request a step, stopped at the separator.
* streamed: one request without a stop string, cut into steps here, closed at a rejection.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import Any

import aiohttp

from rsd_graph import Message, Prefix, StepRequest
from rsd_graph.answer.books import Books
from rsd_graph.answer.ledger import empty_ledger, usage
from rsd_graph.answer.state import Candidate
from rsd_graph.early.lookahead import Drafter

SEPARATOR = "\n\n"
MAX_TOKENS = 256
MAX_STEPS = 12
DEPTH = 8
"""So deep that the chain, like the stream, never waits for a verdict."""


@dataclass
class Server:
    """The draft's server, asked without any of our providers."""

    root: str
    is_vllm: bool
    http: aiohttp.ClientSession
    requests: int = 0

    async def write_step(self, request: StepRequest) -> Candidate:
        """One step, as a `StepModel`; the conversation is the prompt, rendered already."""
        prompt, started = request.prefix.conversation[0]["content"], time.perf_counter()
        async with self._post(prompt + request.prefix.text, stop=[SEPARATOR]) as response:
            answer = await response.json()
        if self.is_vllm:
            (choice,) = answer["choices"]
            text, at_separator = choice["text"], choice["stop_reason"] == SEPARATOR
            tokens = answer["usage"]["completion_tokens"]
        else:
            text, at_separator = answer["content"], answer["stop_type"] == "word"
            tokens = answer["tokens_predicted"]
        spent = usage(completion_tokens=tokens, ms=(time.perf_counter() - started) * 1000)
        ended: Any = "separator" if at_separator else "eos"
        return Candidate(text=text, ended=ended, logprob=None, usage=spent)

    async def stream(
        self, prompt: str, temperature: float = 0.0, seed: int = 0
    ) -> AsyncGenerator[tuple[str, list[int]]]:
        """Text and token ids as they are generated, to the end of the answer."""
        sampled = {"stream": True, "temperature": temperature, "seed": seed}
        # llama.cpp closes the connection after a stream without saying so beforehand.
        async with self._post(prompt, {"Connection": "close"}, **sampled) as response:
            async for line in response.content:
                if not line.startswith(b"data: {"):
                    continue
                event = json.loads(line.removeprefix(b"data: "))
                if self.is_vllm:
                    (choice,) = event["choices"]
                    yield choice["text"], choice["token_ids"] or []
                elif not event["stop"]:
                    yield event["content"], event["tokens"]

    async def tokenize(self, text: str) -> list[int]:
        """The tokens this server reads a prompt as."""
        body: dict[str, Any] = {"model": "draft", "prompt": text}
        if not self.is_vllm:
            body = {"content": text, "add_special": True, "parse_special": True}
        async with self.http.post(self.root + "/tokenize", json=body) as response:
            found: list[int] = (await response.json())["tokens"]
        return found

    def _post(self, prompt: str, headers: Any = None, **said: Any) -> Any:
        self.requests += 1
        body = {"prompt": prompt, "temperature": 0.0, "seed": 0, "repeat_last_n": 0, **said}
        if self.is_vllm:
            own = {"model": "draft", "max_tokens": MAX_TOKENS, "return_token_ids": True}
        else:
            own = {"n_predict": MAX_TOKENS, "return_tokens": True, "samplers": ["temperature"]}
        route = "/v1/completions" if self.is_vllm else "/completion"
        return self.http.post(self.root + route, json=body | own, headers=headers)


@dataclass
class Loop:
    """One answer without the graph: take a run, wait for its verdict, settle it."""

    question: int
    prompt: str
    verdict_s: float
    rejects: float
    target: Callable[[Prefix], Awaitable[Candidate]]
    steps: list[Candidate] = field(default_factory=list)
    in_vain: int = 0

    @property
    def prefix(self) -> Prefix:
        """The prompt and what is settled."""
        return Prefix([Message(role="user", content=self.prompt)], list(self.steps))

    async def settle(self, run: Sequence[Candidate]) -> int | None:
        """Settle *run* up to its first rejection; how many were good before that, if any."""
        await asyncio.sleep(self.verdict_s)
        for good, step in enumerate(run):
            if Random(f"{self.question}/{len(self.steps)}").random() < self.rejects:
                self.in_vain += tokens(run[good + 1 :])
                self.steps.append(await self.target(self.prefix))
                return good
            self.steps.append(step)
        return None


def ends(steps: Sequence[Any]) -> bool:
    """Whether nothing follows these steps."""
    return bool(steps) and (steps[-1]["ended"] != "separator" or len(steps) >= MAX_STEPS)


def tokens(steps: Sequence[Candidate]) -> int:
    """What was generated for them."""
    return sum(step["usage"]["completion_tokens"] for step in steps)


async def chained(server: Server, loop: Loop, depth: int = DEPTH) -> None:
    """What the package does."""
    drafter, books = Drafter(server, depth), Books(empty_ledger())

    def request_after(settled: Prefix, ahead: Sequence[Candidate]) -> StepRequest | None:
        prefix = replace(settled, steps=[*settled.steps, *ahead])
        return None if ends(prefix.steps) else StepRequest(prefix, MAX_TOKENS)

    while not ends(loop.steps):
        good = await loop.settle(
            await drafter.write_run("1", partial(request_after, loop.prefix), books)
        )
        if good is not None:
            waste = drafter.reject("1", good)
            loop.in_vain += waste.get("wasted_draft_tokens", 0)
            loop.in_vain += waste.get("cancelled_draft_tokens", 0)


async def streamed(server: Server, loop: Loop) -> None:
    """The rival."""
    while not ends(loop.steps):
        writer = _Writer()
        reading = asyncio.create_task(writer.read(server, loop.prompt + loop.prefix.text))
        good = None
        while good is None and not ends(loop.steps):
            good = await loop.settle(await writer.take())
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        loop.in_vain += writer.tokens + tokens(writer.finished)


class _Writer:
    """A stream, cut into steps as it comes."""

    def __init__(self) -> None:
        self.finished: deque[Candidate] = deque()
        self.tokens = 0
        self._arrived = asyncio.Event()

    async def read(self, server: Server, prompt: str) -> None:
        text = ""
        async with aclosing(server.stream(prompt)) as pieces:
            async for piece, ids in pieces:
                text, self.tokens = text + piece, self.tokens + len(ids)
                while SEPARATOR in text:
                    step, _, text = text.partition(SEPARATOR)
                    self._finish(step, "separator")
        self._finish(text, "eos")

    def _finish(self, text: str, ended: Any) -> None:
        spent = usage(completion_tokens=self.tokens)
        self.finished.append(Candidate(text=text, ended=ended, logprob=None, usage=spent))
        self.tokens = 0
        self._arrived.set()

    async def take(self) -> list[Candidate]:
        await self._arrived.wait()
        self._arrived.clear()
        run = list(self.finished)
        self.finished.clear()
        return run
