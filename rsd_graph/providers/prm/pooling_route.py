"""A server's pooling route, and what stands in its answers: rows, or the last token's numbers.

The first answer tells which. A server that judges the *last token* of a prompt gives one flat list
for each prompt; it reads its prefix cache, so that a score costs what its newest step costs. One
that reports *rows*, a row for every step or token, reads the whole prompt anew each time: cached
tokens have no rows (vLLM 0.32, pooling_params.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from rsd_graph.answer.books import kept_on_error
from rsd_graph.answer.ledger import Usage, add_usage
from rsd_graph.errors import ModelNotFoundError, RewardError
from rsd_graph.providers.http.answers import Count, ListOf, Shape
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.wires.completions_api import ReportedUsage, Rows, named

Pooling = Literal["last token", "rows"]

Prompt = str | list[int]
"""Text, or token ids."""


@contextmanager
def not_every_router_has(route: str) -> Iterator[None]:
    """Say so where *route* is not found: a router in front of the servers may not pass it on."""
    try:
        yield
    except ModelNotFoundError as error:
        error.hint = (
            f"Check the model name after '#'. {route} is vLLM's own: if this is a router that does "
            "not pass it on, name the PRM's servers themselves, separated by commas."
        )
        raise


class _Indexed(Rows):
    index: Count


class _PoolingAnswers(Shape):
    """What `/pooling` and `/classify` answer to several inputs."""

    data: ListOf[_Indexed]
    usage: ReportedUsage

    @property
    def in_order(self) -> list[list[float | list[float]]]:
        """What came back for each prompt, by index: nothing promises their order."""
        return [item.numbers for item in sorted(self.data, key=lambda item: item.index)]


_NO_PROBABILITIES = 0.01
"""How far from 1 two probabilities may add up: servers round to 16 bits."""


class Pooled(NamedTuple):
    """What came back for nested prompts.

    Attributes:
        pooling: What the rows are: one for each prompt (`"last token"`), or the server's own rows
            of the longest prompt.
        rows: The numbers.
        usage: What it cost.
    """

    pooling: Pooling
    rows: list[list[float]]
    usage: Usage


class PoolingRoute:
    """Asks about a run of nested prompts: in one request where the server judges the last token.

    Args:
        client: The server.
        columns: Numbers in a verdict.
        path: The route.
        fields: What else is sent.
    """

    def __init__(
        self,
        client: Client,
        *,
        columns: int,
        path: str = "/pooling",
        fields: Mapping[str, object] | None = None,
    ) -> None:
        self._client = client
        self._columns = columns
        self._path = path
        self._fields = fields or {}
        self.pooling: Pooling | None = None

    async def ask(self, prompts: Sequence[Prompt]) -> Pooled:
        """The verdicts after *prompts*, of which each is the beginning of the next.

        Only the longest is sent until it is known that the server judges the last token.

        Raises:
            ProviderError: The endpoint failed.
        """
        if self.pooling == "last token":
            return await self._exchange(prompts)
        found = await self._exchange(prompts[-1:])
        if found.pooling == "rows" or len(prompts) == 1:
            return found
        with kept_on_error([found.usage]):
            before = await self._exchange(prompts[:-1])
        rows = [*before.rows, *found.rows]
        return Pooled("last token", rows, add_usage(before.usage, found.usage))

    async def _exchange(self, prompts: Sequence[Prompt]) -> Pooled:
        sent = prompts[0] if len(prompts) == 1 else list(prompts)
        body = {"input": sent, "encoding_format": "float", **self._fields}
        with not_every_router_has(self._path):
            answer = await self._client.post(
                self._path, named(self._client.endpoint, body), _PoolingAnswers
            )
        items, spent = answer.in_order, answer.usage.spent
        if len(items) != len(prompts):
            raise self._client.malformed(f"{len(items)} answers to {len(prompts)} prompts")
        self.pooling = "last token" if all(map(self._is_verdict, items)) else "rows"
        if self.pooling == "last token":
            return Pooled(self.pooling, [_flat(item) for item in items], spent)
        return Pooled(self.pooling, [_row(row) for row in items[-1]], spent)

    def _is_verdict(self, item: Sequence[float | list[float]]) -> bool:
        """A flat list; of single numbers, one for each token are rows."""
        is_flat = bool(item) and not any(isinstance(row, list) for row in item)
        return is_flat and (self._columns > 1 or len(item) == 1)

    def check(self, pooled: Pooled, prompts: int, rows: int, of: str) -> None:
        """Refuse counts that would shift a reward, or make one of something else.

        Args:
            pooled: What came back.
            prompts: How many were asked about.
            rows: How many rows a server that reports them must have reported.
            of: What those are rows of.

        Raises:
            RewardError: Not one verdict for each prompt, or not one row for each step or token.
        """
        widths = sorted({len(row) for row in pooled.rows})
        expected = prompts if pooled.pooling == "last token" else rows
        if len(pooled.rows) == expected and widths == [self._columns]:
            return
        if pooled.pooling == "last token":
            raise self.refused(
                f"{len(pooled.rows)} verdicts of {widths} numbers for {prompts} prompts.",
                f"one verdict of {self._columns} for each",
                "As many as the model is wide: the server has skipped the head (see its log for "
                "'Failed to load'), or serves an embedding model.",
            )
        raise self.refused(
            f"{len(pooled.rows)} rows of {widths} numbers for {rows} {of}.",
            f"one row of {self._columns} for each, or for the last token alone",
            "Is this the right PRM family, and does the server know its tag (vLLM: step_tag_id in "
            "--pooler-config)? docs/scorers.md says how each is served.",
        )

    def check_probabilities(self, pooled: Pooled, hint: str) -> None:
        """Refuse numbers that are no probabilities of the same few outcomes.

        Raises:
            RewardError: A row that does not add up to 1, such as one of logits.
        """
        for row in pooled.rows:
            if abs(sum(row) - 1) > _NO_PROBABILITIES:
                shown = ", ".join(f"{number:.3g}" for number in row)
                raise self.refused(f"[{shown}] are no probabilities.", "a sum of 1", hint)

    def refused(self, what: str, expected: str, hint: str) -> RewardError:
        """The error for an answer that holds no rewards."""
        endpoint = self._client.endpoint.in_role("prm")
        return endpoint.error(RewardError, what, expected=expected, hint=hint)


def _flat(item: Sequence[float | list[float]]) -> list[float]:
    return [number for row in item for number in _row(row)]


def _row(row: float | list[float]) -> list[float]:
    return row if isinstance(row, list) else [row]


def sigmoid(logit: float) -> float:
    """The probability of a logit; of two outcomes, that of the second from its logit's lead."""
    return 1 / (1 + math.exp(min(-logit, 700.0)))  # beyond that, floats overflow
