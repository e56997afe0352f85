"""Endpoint strings: what they may say, and how they become an `Endpoint` and its provider."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.providers.http.endpoint import Endpoint, RetryPolicy, key_from_environment
from rsd_graph.providers.wires.templates import ChatTemplate

PROVIDERS: Mapping[str, str] = MappingProxyType(
    {
        "chat": "rsd_graph.providers.wires.chat:ChatStepModel",
        "embedded": "rsd_graph.providers.wires.llamacpp:LlamaCppWire",
        "llamacpp": "rsd_graph.providers.wires.llamacpp:LlamaCppWire",
        "ollama": "rsd_graph.providers.wires.ollama:OllamaWire",
        "openai": "rsd_graph.providers.wires.openai_compatible:OpenAICompatibleWire",
        "sglang": "rsd_graph.providers.wires.sglang:SGLangWire",
        "tei": "rsd_graph.providers.prm.outcome:tei",
        "tgi": "rsd_graph.providers.wires.tgi:TGIWire",
        "transformers": "rsd_graph.providers.wires.transformers_serve:TransformersServeWire",
        "vllm": "rsd_graph.providers.wires.vllm:VLLMWire",
    }
)
"""Provider -> the class, imported when first named, that makes of an `Endpoint` a wire or a step
model."""

_SPEC = re.compile(r"(?:(?P<family>[\w-]+)\+)?(?P<provider>[\w-]+)\+(?P<url>https?://\S+)")
_EMBEDDED = re.compile(r"(?:(?P<family>[\w-]+)\+)?(?P<provider>embedded):(?P<name>.+)")
_OPTIONS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"timeout": float, "max_concurrency": int}
)
_PROVIDER_OPTIONS: Mapping[str, Callable[[str], Any]] = MappingProxyType(
    {"ends": str, "num_ctx": int, "template": ChatTemplate.load}
)
"""Options of some providers: arguments of their classes."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed endpoint string."""

    family: str | None
    provider: str
    endpoint: Endpoint
    options: Mapping[str, Any] = field(default_factory=dict)


def parse_spec(spec: str, role: Role) -> Address:
    """Family, provider and endpoint of *spec*."""
    if match := _EMBEDDED.fullmatch(spec):
        from rsd_graph.embedded.engine import endpoint_for

        return Address(match["family"], match["provider"], endpoint_for(match["name"]))
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise unknown_spec("this is not an endpoint string", role)
    if match["provider"] not in PROVIDERS:
        raise unknown_spec(f"unknown provider {match['provider']!r}", role)
    url = urlsplit(match["url"])
    if "@" in url.netloc:
        raise ConfigurationError(
            "an endpoint string is shown in logs and results; it cannot hold a key.",
            role=role,
            hint=f"Remove what stands before '@' and set RSD_{role.upper()}_API_KEY instead.",
        )
    options = _options(url.query, role)
    own = {name: options.pop(name) for name in _PROVIDER_OPTIONS if name in options}
    endpoint = Endpoint(match["url"], url.fragment, role, **options)
    return Address(match["family"], match["provider"], endpoint, own)


def _options(query: str, role: Role) -> dict[str, Any]:
    """What stands after '?': settings of the `Endpoint`, and of some providers."""
    known = {**_OPTIONS, **_PROVIDER_OPTIONS}
    options: dict[str, Any] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        try:
            options[name] = known[name](value)
        except (KeyError, ValueError) as error:
            raise ConfigurationError(
                f"option {name!r} cannot be used.",
                role=role,
                expected=f"a usable value for one of {', '.join(known)}",
            ) from error
    return options


def tuned(
    endpoint: Endpoint,
    role: Role,
    timeout: float | None,
    max_retries: int | None,
    api_key: SecretStr | None,
) -> Endpoint:
    """The endpoint in its seat, with what the caller or the environment adds."""
    # An empty key stands for one that was not pickled: the client says what to do about it.
    key = api_key or endpoint.api_key or key_from_environment(role) or api_key
    changes: dict[str, Any] = {"role": role, "api_key": key}
    if timeout is not None:
        changes["timeout"] = timeout
    if max_retries is not None:
        changes["retry"] = RetryPolicy(attempts=max_retries + 1)
    return replace(endpoint, **changes)


def make_provider(
    provider: str, endpoint: Endpoint, options: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """The provider's object for this endpoint."""
    module, _, name = PROVIDERS[provider].partition(":")
    made = getattr(importlib.import_module(module), name)
    foreign = set(options) - set(inspect.signature(made).parameters)
    if foreign:
        raise ConfigurationError(
            f"{provider} has no option {', '.join(sorted(foreign))}.", role=endpoint.role
        )
    return made(endpoint, **options)


def unknown_spec(what: str, role: Role) -> ConfigurationError:
    """The error for an endpoint string that cannot be used."""
    return ConfigurationError(
        f"{what}.",
        role=role,
        expected=f"provider+http://host:port/v1#model, provider one of {', '.join(PROVIDERS)}",
        hint="Models shipped with the package are embedded:draft, embedded:target, embedded:prm.",
    )
