"""Batched generation with a key-value cache, for rollouts and evaluation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from training.model import HIDDEN_FROM_ATTENTION, Cache, LanguageModel

ROWS_AT_ONCE = 128


@dataclass
class Continuation:
    """Generated ids, and at each of them the logits of the tokens the caller watches."""

    ids: list[int] = field(default_factory=list)
    watched: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Sampling:
    """When to stop and how to choose; temperature 0 is greedy."""

    stop_ids: Collection[int]
    max_tokens: int
    temperature: float = 0.0
    watch: Sequence[int] = ()


@torch.no_grad()
def generate(
    model: LanguageModel, prompts: Sequence[list[int]], sampling: Sampling
) -> list[Continuation]:
    """Continue every prompt until one of its stop ids (which is kept) or the token limit."""
    return [
        row
        for start in range(0, len(prompts), ROWS_AT_ONCE)
        for row in _generate(model, prompts[start : start + ROWS_AT_ONCE], sampling)
    ]


def _generate(
    model: LanguageModel, prompts: Sequence[list[int]], sampling: Sampling
) -> list[Continuation]:
    longest = max(map(len, prompts))
    padding = torch.tensor([longest - len(prompt) for prompt in prompts])
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    cache = _empty_cache(model, len(prompts))
    rows = [Continuation() for _ in prompts]
    running = set(range(len(prompts)))
    seen = 0
    for _ in range(sampling.max_tokens):
        logits = _next_logits(model, ids, seen, padding, cache)
        seen += ids.size(1)
        ids = _choose(logits, sampling.temperature)
        for i in sorted(running):
            rows[i].ids.append(int(ids[i]))
            rows[i].watched.append(logits[i, list(sampling.watch)].tolist())
        running -= {i for i in running if rows[i].ids[-1] in sampling.stop_ids}
        if not running:
            break
    return rows


def _next_logits(
    model: LanguageModel, ids: Tensor, seen: int, padding: Tensor, cache: Cache
) -> Tensor:
    """Feed *ids* after the *seen* cached columns; left padding is hidden and not counted."""
    columns = torch.arange(seen + ids.size(1))
    new = columns[seen:]
    hidden = (columns > new[:, None]) | (columns < padding[:, None])[:, None]
    mask = torch.where(hidden, HIDDEN_FROM_ATTENTION, 0.0)[:, None]
    positions = (new - padding[:, None]).clamp(min=0)
    return model.logits(model.hidden(ids, positions, mask, cache)[:, -1])


def _choose(logits: Tensor, temperature: float) -> Tensor:
    if temperature == 0:
        return logits.argmax(-1, keepdim=True)
    return torch.multinomial((logits / temperature).softmax(-1), 1)


def _empty_cache(model: LanguageModel, rows: int) -> Cache:
    shape = model.shape
    empty = torch.empty(rows, shape.heads, 0, shape.head_width)
    return [(empty, empty) for _ in range(shape.layers)]
