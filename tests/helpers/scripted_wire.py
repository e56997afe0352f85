"""A wire that answers from a script: what a generative PRM said, token by token."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rsd_graph import Endpoint
from rsd_graph.answer.ledger import usage
from rsd_graph.answer.state import Message
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, Token


class ScriptedWire:
    """Answers every prompt with the scripted completions, in order of asking."""

    endpoint = Endpoint("http://prm:1", role="prm")

    def __init__(self, *script: Sequence[Token] | Exception) -> None:
        self._script = list(script)
        self.requests: list[CompletionRequest] = []

    async def render(self, conversation: Sequence[Message]) -> str:
        return "".join(f"[{m['role']}: {m['content']}]" for m in conversation)

    async def complete(self, request: CompletionRequest) -> Completion:
        self.requests.append(request)
        answer = self._script[len(self.requests) - 1]
        if isinstance(answer, Exception):
            raise answer
        text = "".join(token.text for token in answer)
        return Completion(text, "length", usage(prompt_tokens=7, completion_tokens=1), answer)


def verdict(text: str, **top: float) -> Token:
    """A token with the probabilities of its rivals; `plus` and `minus` stand for + and -."""
    names = {"plus": "+", "minus": "-"}
    return Token(text, 0.0, {names.get(word, word): math.log(p) for word, p in top.items()})
