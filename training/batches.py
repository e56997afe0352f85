"""Examples as text, batches as tensors."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from rsd_graph.embedded.task import (
    MAX_EVENTS,
    MIN_EVENTS,
    Problem,
    generate_problem,
    is_held_out,
)
from training.chat import render_question, render_solution


@dataclass(frozen=True)
class Example:
    """Text to read and text to learn to write after it."""

    context: str
    target: str


@dataclass(frozen=True)
class Batch:
    """Padded token ids and, at every position, whether its successor is to be learnt."""

    ids: Tensor
    supervised: Tensor

    @property
    def successors(self) -> Tensor:
        """The tokens to predict, one per supervised position."""
        return torch.roll(self.ids, -1, dims=1)[self.supervised]


Sampler = Callable[[random.Random], Sequence[Example]]


def training_problem(rng: random.Random, events: int | None = None) -> Problem:
    """Draw a problem that is not reserved for testing."""
    while is_held_out((problem := generate_problem(rng, events)).question):
        pass
    return problem


def solution_sampler(size: int) -> Sampler:
    """Sample whole solutions; all problems of one batch are equally long, so little is padded."""

    def sample(rng: random.Random) -> list[Example]:
        events = rng.randint(MIN_EVENTS, MAX_EVENTS)
        problems = [training_problem(rng, events) for _ in range(size)]
        return [Example(render_question(p.question), render_solution(p)) for p in problems]

    return sample


def collate(examples: Sequence[Example], tokenizer: Tokenizer) -> Batch:
    """Tokenise and right-pad."""
    contexts = tokenizer.encode_batch([e.context for e in examples])
    targets = tokenizer.encode_batch([e.target for e in examples])
    rows = [c.ids + t.ids for c, t in zip(contexts, targets, strict=True)]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    supervised = torch.zeros_like(ids, dtype=torch.bool)
    for i, (context, row) in enumerate(zip(contexts, rows, strict=True)):
        supervised[i, len(context.ids) - 1 : len(row) - 1] = True
    return Batch(ids, supervised)


def batches(
    sampler: Sampler, tokenizer: Tokenizer, rng: random.Random, count: int
) -> Iterator[Batch]:
    """Yield *count* fresh batches; data is never repeated."""
    for _ in range(count):
        yield collate(sampler(rng), tokenizer)
