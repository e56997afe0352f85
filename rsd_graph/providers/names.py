"""What a model is called where others read it, in traces and price lists: never by its host."""

from __future__ import annotations

from pathlib import PurePath
from typing import NamedTuple, Protocol, runtime_checkable

from rsd_graph.providers.address import PROVIDERS


class Name(NamedTuple):
    """A model by name.

    Attributes:
        provider: Who serves it: `vllm`, `openai`, or the class of a model of your own.
        model: What it is called there, as a price list knows it.
    """

    provider: str
    model: str


@runtime_checkable
class Named(Protocol):
    """A model that knows its public name itself."""

    @property
    def public_name(self) -> Name:
        """Its name."""
        ...


def public_name(model: object) -> Name:
    """The name of a model, or of what an endpoint string stands for.

    Of one without a name, such as the only model of a llama.cpp server, its provider is the name.
    """
    if isinstance(model, str):
        return _of_string(model)
    if isinstance(model, Named):
        return model.public_name
    made = getattr(model, "wire", model)
    kind = type(made).__name__
    servers = [name for name, place in _PLACES if place.endswith(f":{kind}")]
    provider = [*servers, *getattr(made, "providers", ()), kind][0]
    name = str(getattr(model, "endpoint", None) or "").partition("#")[2]
    return Name(provider, name or provider)


_PLACES = PROVIDERS.built_in.items()


def _of_string(spec: str) -> Name:
    """`vllm+http://gpu:8000/v1#large` is `large` of vllm; `embedded:/models/a.gguf` is `a.gguf`."""
    address, _, name = spec.partition("#")
    before, _, text = address.partition(":")
    provider = before.removesuffix("+https").removesuffix("+http").rpartition("+")[2]
    local = "" if text.startswith("//") else PurePath(text.partition("?")[0]).name
    return Name(provider, name or local or provider)
