"""Wires of pretended thinking models: one says a given text, one is drawn from a hash."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Sequence

from rsd_graph import Endpoint, candidate
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Candidate, Ended, Message, Phase
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, cut_at_stop

OPENED = "<think>\n"
"""What R1's, QwQ's and Qwen3-Thinking's templates write after the assistant's header."""

WORDS = (
    "so ",
    "wait. ",
    "two\n",
    "\n\n",
    "\n\n",
    "</think>",
    "</think>\n\n",
    "<think>",
    "``",
    "`\n",
)
"""The vocabulary of `HashedWire`, with all that is hard about markers."""


def phased(text: str, phase: Phase, ended: Ended = "separator") -> Candidate:
    """A candidate of one phase."""
    return {**candidate(text, ended), "phase": phase}


class PretendedWire:
    """Renders like a ChatML template and continues text token by token, as a server would."""

    endpoint = Endpoint("http://thinker:1", role="draft")

    def __init__(self, opened: str = OPENED) -> None:
        self.opened = opened
        self.requests: list[CompletionRequest] = []

    async def render(self, conversation: Sequence[Message]) -> str:
        """Deletes `<think>` blocks of earlier turns, as most templates do."""
        told = [(m["role"], m["content"]) for m in conversation]
        turns = [
            f"<|{role}|>{re.sub('<think>.*</think>', '', text, flags=re.DOTALL)}"
            if role == "assistant"
            else f"<|{role}|>{text}"
            for role, text in told
        ]
        return "\n".join([*turns, "<|assistant|>\n"]) + self.opened

    async def complete(self, request: CompletionRequest) -> Completion:
        """Up to a stop string, the end, or the budget."""
        self.requests.append(request)
        text, count = "", 0
        for _ in range(len(request.prompt) % 3):
            await asyncio.sleep(0)
        while count < request.max_tokens:
            token = self.next_token(request.prompt, text)
            if token is None:
                return self._done(text, "eos", count + 1)
            text, count = text + token, count + 1
            cut, stop = cut_at_stop(text, request.stop)
            if stop:
                return self._done(cut, "separator", count, stop)
        return self._done(text, "length", count)

    def _done(self, text: str, ended: str, count: int, stop: str = "") -> Completion:
        spent = usage(prompt_tokens=9, completion_tokens=count)
        return Completion(text, ended, spent, stop=stop)  # type: ignore[arg-type]

    def next_token(self, prompt: str, text: str) -> str | None:
        """The token after *prompt* and *text*; `None` ends the answer."""
        raise NotImplementedError


class SayingWire(PretendedWire):
    """Thinks and answers in given words, in tokens of four characters.

    Args:
        thought: All of its thinking, a closing marker included if it writes one.
        answer: What it writes once that is closed, whoever closed it.
        opened: What its template writes at the end of each prompt.
    """

    def __init__(self, thought: str, answer: str, opened: str = OPENED) -> None:
        super().__init__(opened)
        self._thought = thought
        self._answer = answer

    def next_token(self, prompt: str, text: str) -> str | None:
        written = prompt.rpartition("<|assistant|>\n")[2].removeprefix(OPENED)
        said = self._thought + self._answer
        if not self._thought.startswith(written):  # the thinking is closed
            written, said = written.rpartition("</think>\n\n")[2], self._answer
        rest = said[len(written + text) :]
        return rest[:4] or None


class HashedWire(PretendedWire):
    """Says whatever the hash of all before it and of its *salt* picks from `WORDS`."""

    def __init__(self, salt: str, opened: str = OPENED) -> None:
        super().__init__(opened)
        self._salt = salt

    def next_token(self, prompt: str, text: str) -> str | None:
        said = prompt.rpartition("<|assistant|>")[2] + text
        drawn = hashlib.blake2b(f"{self._salt}/{said}".encode(), digest_size=4).digest()
        index = int.from_bytes(drawn, "big") % (len(WORDS) + 2)
        return WORDS[index] if index < len(WORDS) else None if index == len(WORDS) else "no "
