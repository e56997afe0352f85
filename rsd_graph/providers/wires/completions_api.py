"""What servers with routes shaped like OpenAI's `/v1/completions` have in common."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rsd_graph.answer.ledger import Usage, usage
from rsd_graph.errors import ContextOverflowError
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.wires.completion import Completion, CompletionRequest, Token

Complete = Callable[[CompletionRequest], Awaitable[Completion]]


def openai_sampling(sampling: Sampling) -> dict[str, float]:
    """The fields every OpenAI-compatible server knows, all of them, so that no default leaks in."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }


def named(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the model's name, which servers of a single model may do without."""
    return {"model": endpoint.model, **body} if endpoint.model else body


def reported_tokens(choice: Mapping[str, Any]) -> list[Token]:
    """The log-probabilities of a choice, if it has them, in the shape of the completions API."""
    report = choice.get("logprobs") or {}
    texts, logprobs = report.get("tokens") or [], report.get("token_logprobs") or []
    tops = report.get("top_logprobs") or [None] * len(texts)
    return [
        Token(text, logprob, {**(top or {}), text: logprob})
        for text, logprob, top in zip(texts, logprobs, tops, strict=True)
    ]


def read_usage(reported: Mapping[str, Any]) -> Usage:
    """OpenAI's usage object; a server that says nothing about its cache leaves it unknown."""
    details = reported.get("prompt_tokens_details") or {}
    return usage(
        prompt_tokens=int(reported["prompt_tokens"]),
        completion_tokens=int(reported.get("completion_tokens") or 0),
        cached_tokens=details.get("cached_tokens"),
    )


def common_prefix(before: Sequence[object], whole: Sequence[object]) -> int:
    """How many leading tokens both have."""
    pairs = zip(before, whole, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(before), len(whole)))


async def within_context(
    complete: Complete, request: CompletionRequest, refusal: re.Pattern[str]
) -> Completion:
    """Complete, for servers that refuse a budget beyond their context instead of clipping it.

    The refusal says how long the prompt is, so no prompt is ever counted beforehand: one request
    that costs no generation, only where a context really ends. A text cut there ended in
    `"context"`.

    Args:
        complete: One exchange with the server.
        request: What to complete.
        refusal: Matches the server's refusal, with groups `limit` and `prompt` (tokens).

    Raises:
        ContextOverflowError: The prompt alone is too long.
    """
    try:
        return await complete(request)
    except ContextOverflowError as error:
        match = refusal.search(error.message)
        room = int(match["limit"]) - int(match["prompt"]) if match else 0
        if not 0 < room < request.max_tokens:
            raise
    clipped = await complete(replace(request, max_tokens=room))
    return replace(clipped, ended="context") if clipped.ended == "length" else clipped
