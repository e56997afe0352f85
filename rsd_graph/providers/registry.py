"""A model named by one string: `provider+http://host:port/v1#model`.

    vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-Math-7B-Instruct
    llamacpp+http://127.0.0.1:8080?timeout=30&max_concurrency=8
    qwen-prm+vllm+http://gpu3:8000/v1#Qwen/Qwen2.5-Math-PRM-7B     a PRM: its family comes first
    embedded:draft                                                 a model shipped with the package
    embedded:/models/qwen2.5-1.5b-q4.gguf                          your own, served on this machine

Keys never stand in these strings: `RSD_<ROLE>_API_KEY` or `RSD_API_KEY` in the environment, or
`api_key=`, hold them. Other packages add providers and families: see `rsd_graph.plugins`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from pydantic import SecretStr

from rsd_graph.errors import CapabilityError, ConfigurationError, Role
from rsd_graph.plugins import Plugins, call
from rsd_graph.providers.adapted import adapted_prm, adapted_step_model
from rsd_graph.providers.address import Address, parse_spec, parted, tuned, written
from rsd_graph.providers.base import RewardModel, StepModel
from rsd_graph.providers.prm.format import PRMFormat
from rsd_graph.providers.prm.spelled import spelled
from rsd_graph.providers.prm.token_probability import TokenProbabilityPRM
from rsd_graph.providers.prm.token_rows import RowsFormat, TokenRowsPRM
from rsd_graph.providers.wires.completion import CompletionWire
from rsd_graph.providers.wires.hosted import HostedModel

FAMILIES = Plugins(
    "rsd_graph.prms",
    "PRM family",
    {
        "doubt": "rsd_graph.providers.prm:DOUBT",
        "genprm": "rsd_graph.providers.prm:GENPRM",
        "judge": "rsd_graph.providers.prm:JUDGE",
        "judge-greedy": "rsd_graph.providers.prm:JUDGE_GREEDY",
        "math-shepherd": "rsd_graph.providers.prm:MATH_SHEPHERD",
        "orm": "rsd_graph.providers.prm:OutcomeRM",
        "pure": "rsd_graph.providers.prm:PURE",
        "qwen-prm": "rsd_graph.providers.prm:PoolingPRM",
        "qwen-prm-split": "rsd_graph.providers.prm:SplitPoolingPRM",
        "recompute": "rsd_graph.providers.prm:RECOMPUTE",
        "rlhflow": "rsd_graph.providers.prm:RLHFLOW",
        "skywork": "rsd_graph.providers.prm:SKYWORK",
        "skywork-paper": "rsd_graph.providers.prm:SKYWORK_PAPER",
        "thinkprm": "rsd_graph.providers.prm:THINKPRM",
        "versaprm": "rsd_graph.providers.prm:VERSAPRM",
    },
)
"""Family -> how it is asked: a `PRMFormat`, by any server that continues text; a `RowsFormat`; or a
class (or function) that takes an `Endpoint` and makes the PRM. Its attribute `providers` names the
servers that have the routes it asks; without one it may be any."""

_USUAL_FAMILY: Mapping[str, str] = MappingProxyType({"llamacpp": "recompute", "vllm": "qwen-prm"})
"""What is meant if no family is named. A wrong guess is not silent: it gives no reward at all."""


def step_model(
    spec: str | StepModel,
    role: Role,
    *,
    timeout: float | None = None,
    max_retries: int | None = None,
    api_key: SecretStr | None = None,
) -> StepModel:
    """The draft or target named by an endpoint string; an object passes through.

    Raises:
        ConfigurationError: Not an endpoint string, or an unknown provider or option.
    """
    if not isinstance(spec, str):
        return spec
    with written(spec, role):
        place, options = parted(spec)
        address = tuned(parse_spec(place, role), role, timeout, max_retries, api_key)
        if address.family is not None:
            raise ConfigurationError(
                f"{address.family!r} stands before the provider.",
                expected="a family before a PRM's provider only",
            )
        made = address.made()
        if hasattr(made, "complete"):
            return call(HostedModel, _wire(made), name=address.provider, options=options)
        if options:
            raise CapabilityError(
                f"{address.provider} reports no log-probabilities.",
                role=role,
                expected="a server that continues text, such as vllm or llamacpp",
            )
        return adapted_step_model(made, role)


def reward_model(
    spec: str | RewardModel,
    *,
    timeout: float | None = None,
    max_retries: int | None = None,
    api_key: SecretStr | None = None,
) -> RewardModel:
    """The PRM named by an endpoint string, `[family+]provider+url`; an object passes through.

    Verdicts without a server, and those made of others, have strings too: see `prm.spelled`.

    Raises:
        ConfigurationError: Not an endpoint string, or an unknown family, provider or option.
    """
    if not isinstance(spec, str):
        return spec
    with written(spec, "prm"):
        make = partial(reward_model, timeout=timeout, max_retries=max_retries, api_key=api_key)
        write = partial(
            step_model, role="draft", timeout=timeout, max_retries=max_retries, api_key=api_key
        )
        if made := spelled(spec, make, write):
            return made
        address = tuned(parse_spec(spec, "prm"), "prm", timeout, max_retries, api_key)
        name = address.family or _USUAL_FAMILY.get(address.provider)
        return adapted_prm(_of_family(name, address) if name else _of_provider(address))


def _of_provider(address: Address) -> Any:
    """The PRM of a provider that makes one by itself."""
    made = address.made()
    if hasattr(made, "score"):
        return made
    raise ConfigurationError(
        "which family of PRMs is this?",
        expected=f"family+provider+http://..., family one of {', '.join(FAMILIES.names())}",
    )


def _of_family(name: str, address: Address) -> Any:
    """The PRM of this family at this address."""
    family = FAMILIES.load(name)
    if isinstance(family, PRMFormat):
        return TokenProbabilityPRM(_wire(address.made()), family)
    maker, given = (TokenRowsPRM, [family]) if isinstance(family, RowsFormat) else (family, [])
    servers = getattr(maker, "providers", (address.provider,))
    if address.provider in servers and address.endpoint is not None:
        return address.ask(maker, address.endpoint, *given, name=name)
    made = address.made()
    if isinstance(maker, type) and isinstance(made, maker):
        return made  # as TEI's own `OutcomeRM` is for the family `orm`
    raise CapabilityError(
        f"{address.provider} has no route that the family {name!r} asks.",
        expected=f"{' or '.join(servers)} as its provider",
    )


def _wire(made: Any) -> CompletionWire:
    """What a provider made, if it continues text."""
    methods = [getattr(made, name, None) for name in ("render", "complete")]
    if all(map(inspect.iscoroutinefunction, methods)):
        wire: CompletionWire = made
        return wire
    raise CapabilityError(
        f"{type(made).__name__} does not continue text.",
        expected="a server that does, such as vllm or llamacpp; in a class of your own, async "
        "methods render(conversation) and complete(request)",
    )
