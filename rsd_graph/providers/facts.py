"""What a server says of itself, for `rsd-graph doctor`. Nothing here is needed to run RSD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from rsd_graph.providers.http.answers import Count, ListOf, Shape
from rsd_graph.providers.http.client import Client

_NEUTRAL: Mapping[str, float] = {
    "temperature": 1.0,
    "top_p": 1.0,
    "top_k": 0.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "repeat_penalty": 1.0,
    "repetition_penalty": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
}
"""Sampling parameters under the names servers give them, and what turns each off."""


class _Meta(Shape):
    n_ctx: Count | None = None


class _Card(Shape):
    id: str
    max_model_len: Count | None = None
    context_length: Count | None = None
    meta: _Meta | None = None

    @property
    def length(self) -> int | None:
        told = self.max_model_len or self.context_length or (self.meta and self.meta.n_ctx)
        return told or None


class _Models(Shape):
    data: ListOf[_Card]


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """Whatever this server tells; `None` or empty for what it does not.

    Attributes:
        models: Names it serves.
        context_length: Tokens of prompt and answer together.
        defaults: Sampling it would use for what a request leaves out, where that is not neutral.
        bos: The text of the beginning-of-sequence token, where the template is ours.
        slots: Answers it keeps in memory at once, where those are counted (llama.cpp).
    """

    models: Sequence[str] = ()
    context_length: int | None = None
    defaults: Mapping[str, float] = field(default_factory=dict)
    bos: str | None = None
    slots: int | None = None


@runtime_checkable
class Described(Protocol):
    """A wire, step model or PRM that can ask its server about itself."""

    async def describe(self) -> ServerFacts:
        """Ask, without generating anything.

        Raises:
            ProviderError: The server did not answer, or has no route for it.
        """
        ...


@runtime_checkable
class Tokenizing(Protocol):
    """A wire whose server shows how it reads a prompt."""

    async def prompt_ids(self, prompt: str) -> Sequence[int]:
        """The token ids the model reads when *prompt* is completed, a BOS that is added included.

        Raises:
            ProviderError: Anything but a well-formed answer.
        """
        ...


async def describe(model: object) -> ServerFacts:
    """The facts about *model*, none if it cannot ask.

    Raises:
        ProviderError: See `Described.describe`.
    """
    return await model.describe() if isinstance(model, Described) else ServerFacts()


async def listed_models(client: Client) -> ServerFacts:
    """What `GET /v1/models` tells, of the endpoint's model where there are several.

    `max_model_len` is vLLM's and SGLang's (vLLM 0.33.0, entrypoints/serve/engine/protocol.py:112;
    SGLang 0.5.23, entrypoints/http_server.py), `meta.n_ctx` llama.cpp's, `context_length` some
    gateways'.
    """
    listed = await client.get("/v1/models", _Models)
    cards = {card.id: card for card in listed.data}
    card = cards.get(client.endpoint.model) or next(iter(cards.values()), None)
    return ServerFacts(models=tuple(cards), context_length=card.length if card else None)


def own_sampling(fields: Mapping[str, object]) -> dict[str, float]:
    """The sampling parameters among *fields* that are not neutral."""
    found = {name: value for name in _NEUTRAL if isinstance(value := fields.get(name), int | float)}
    return {name: float(value) for name, value in found.items() if value != _NEUTRAL[name]}
