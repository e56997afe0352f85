"""Endpoint strings: what they may say, and how they become an `Endpoint` and its provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import SecretStr

from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.plugins import Plugins, call, takes_text
from rsd_graph.providers.http.endpoint import Endpoint, RetryPolicy, key_from_environment

T = TypeVar("T")

PROVIDERS = Plugins(
    "rsd_graph.providers",
    "provider",
    {
        "chat": "rsd_graph.providers.wires.chat:ChatStepModel",
        "embedded": "rsd_graph.embedded.engine:served",
        "llamacpp": "rsd_graph.providers.wires.llamacpp:LlamaCppWire",
        "ollama": "rsd_graph.providers.wires.ollama:OllamaWire",
        "openai": "rsd_graph.providers.wires.openai_compatible:OpenAICompatibleWire",
        "sglang": "rsd_graph.providers.wires.sglang:SGLangWire",
        "tei": "rsd_graph.providers.prm.outcome:tei",
        "tgi": "rsd_graph.providers.wires.tgi:TGIWire",
        "transformers": "rsd_graph.providers.wires.transformers_serve:TransformersServeWire",
        "vllm": "rsd_graph.providers.wires.vllm:VLLMWire",
    },
)
"""Provider -> a class or function that takes an `Endpoint` (`name+http://...`) or a text
(`name:text`), and makes of it a wire, a step model or a reward model. What takes a text may also
return where the model is served: `{"provider": ..., "url": ..., "model": ...}`."""

_SPEC = re.compile(
    r"(?:(?P<family>[\w-]+)\+)?(?P<provider>[\w-]+)(?:\+(?P<url>https?://\S+)|:(?!//)(?P<text>.+))"
)
OF_THE_ENDPOINT = ("timeout", "max_concurrency", "session_header")
"""Options of every provider that takes an `Endpoint`; its own are the arguments of its class."""

OF_THE_WRITER = ("logprobs", "think")
"""Options of every draft and target that continues text: the arguments of `HostedModel`."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed endpoint string.

    Attributes:
        family: Of the PRM; how it is asked.
        provider: What speaks to the endpoint.
        endpoint: Where the model is served; `None` if the provider takes a text and made *model*.
        options: Arguments for the provider, as text.
        model: What the provider made of its text.
    """

    family: str | None
    provider: str
    endpoint: Endpoint | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    model: object = None

    def made(self) -> Any:
        """What the provider makes of it: a wire, a step model or a reward model.

        Raises:
            ConfigurationError: An option that the provider does not have or cannot use.
        """
        if self.endpoint is None:
            return self.model
        return self.ask(PROVIDERS.load(self.provider), self.endpoint, name=self.provider)

    def ask(self, maker: Callable[..., T], *given: object, name: str) -> T:
        """What *maker* makes of what is *given* and of the options; see `plugins.call`."""
        writes = self.endpoint is not None and self.endpoint.role != "prm"
        beside = (*OF_THE_ENDPOINT, *(OF_THE_WRITER if writes else ()))
        return call(maker, *given, name=name, options=self.options, beside=beside)


def parted(spec: str) -> tuple[str, dict[str, str]]:
    """An endpoint string without the options `OF_THE_WRITER`, and those options."""
    front, hash_mark, model = spec.partition("#")
    address, _, query = front.partition("?")
    options = query.split("&") if query else []
    own = [option for option in options if option.partition("=")[0] in OF_THE_WRITER]
    others = "&".join(option for option in options if option not in own)
    named = _once([option.partition("=")[::2] for option in own])
    return address + ("?" + others if others else "") + hash_mark + model, named


def _once(options: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The options by name."""
    names = [name for name, _ in options]
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"an option stands twice: {name}.")
    return dict(options)


def bare(model: object) -> object:
    """An endpoint string without what does not change the model it names; an object as it is."""
    return parted(model)[0] if isinstance(model, str) else model


def model_identity(spec: object) -> str:
    """What names a model wherever it is served: its endpoint string without the address.

    An object is named by its class and the model it asks for.
    """
    if not isinstance(spec, str):
        model = getattr(getattr(spec, "endpoint", None), "model", "")
        return f"{type(spec).__name__}#{model}" if model else type(spec).__name__
    spec, _ = parted(spec)
    scheme, separator, _ = spec.partition("://")
    model = urlsplit(spec).fragment
    if not separator or not model:
        return spec
    return f"{scheme.rpartition('+')[0]}#{model}"


@contextmanager
def written(spec: str, role: Role) -> Iterator[None]:
    """Errors inside name the role and the endpoint string they are about, without a key in it."""
    try:
        yield
    except ConfigurationError as error:
        error.role = error.role or role
        error.endpoint = error.endpoint or _without_keys(spec)
        raise


def _without_keys(spec: str) -> str:
    """An endpoint string without what stands before an "@", and the values of its options."""
    scheme, slashes, rest = spec.partition("//")
    address = scheme + slashes + rest.rpartition("@")[2]
    return re.sub("(?<=[?&])([^=&#]*)=[^&#]*", r"\1=…", address)


def parse_spec(spec: str, role: Role) -> Address:
    """Family, provider and endpoint of *spec*.

    Raises:
        ConfigurationError: Not an endpoint string, or nothing has this name.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ConfigurationError(
            "this is not an endpoint string.",
            expected="provider+http://host:port/v1#model, "
            f"provider one of {', '.join(PROVIDERS.names())}",
            hint="The models shipped here are embedded:draft, embedded:target and embedded:prm.",
        )
    family, provider, url, text = match.group("family", "provider", "url", "text")
    maker = PROVIDERS.load(provider)
    if takes_text(maker) is (text is None):
        expected = f"{provider}:text" if url else f"{provider}+http://host:port"
        raise ConfigurationError(f"{provider} is not named like this.", expected=expected)
    if url:
        return _at_url(family, provider, url, role)
    model = call(maker, text, name=provider, options={})
    if isinstance(model, Mapping):
        at = dict(model)
        return Address(family, at.pop("provider"), call(Endpoint, name=provider, options=at))
    return Address(family, provider, model=model)


def _at_url(family: str | None, provider: str, url: str, role: Role) -> Address:
    parts = urlsplit(url)
    if "@" in parts.netloc:
        raise ConfigurationError(
            "an endpoint string is shown in logs and results; it cannot hold a key.",
            hint=f"Remove what stands before '@' and set RSD_{role.upper()}_API_KEY instead.",
        )
    own = _once(parse_qsl(parts.query, keep_blank_values=True))
    usual = {name: own.pop(name) for name in OF_THE_ENDPOINT if name in own}
    endpoint = call(Endpoint, url, parts.fragment, role, name=provider, options=usual)
    return Address(family, provider, endpoint, own)


def tuned(
    address: Address,
    role: Role,
    timeout: float | None,
    max_retries: int | None,
    api_key: SecretStr | None,
) -> Address:
    """The address in its seat, with what the caller or the environment adds."""
    if address.endpoint is None:
        return address
    # An empty key stands for one that was not pickled: the client says what to do about it.
    key = api_key or address.endpoint.api_key or key_from_environment(role) or api_key
    changes: dict[str, Any] = {"role": role, "api_key": key}
    if timeout is not None:
        changes["timeout"] = timeout
    if max_retries is not None:
        changes["retry"] = RetryPolicy(attempts=max_retries + 1)
    return replace(address, endpoint=replace(address.endpoint, **changes))
