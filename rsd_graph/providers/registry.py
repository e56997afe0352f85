"""A model named by one string: `provider+http://host:port/v1#model`.

    vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-Math-7B-Instruct
    llamacpp+http://127.0.0.1:8080?timeout=30&max_concurrency=8
    qwen-prm+vllm+http://gpu3:8000/v1#Qwen/Qwen2.5-Math-PRM-7B     a PRM: its family comes first
    embedded:draft                                                 a model shipped with the package
    embedded:/models/qwen2.5-1.5b-q4.gguf                          your own, served on this machine

Keys never stand in these strings: `RSD_<ROLE>_API_KEY` or `RSD_API_KEY` in the environment, or
`api_key=`, hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from types import MappingProxyType
from typing import cast

from pydantic import SecretStr

from rsd_graph.errors import CapabilityError, ConfigurationError, Role
from rsd_graph.providers.address import Address, make_provider, parse_spec, tuned, unknown_spec
from rsd_graph.providers.base import RewardModel, StepModel
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.prm import (
    GENPRM,
    JUDGE,
    JUDGE_GREEDY,
    MATH_SHEPHERD,
    PURE,
    RECOMPUTE,
    RLHFLOW,
    SKYWORK,
    SKYWORK_PAPER,
    THINKPRM,
    VERSAPRM,
    OutcomeRM,
    PoolingPRM,
    PRMFormat,
    RowsFormat,
    TokenProbabilityPRM,
    TokenRowsPRM,
)
from rsd_graph.providers.wires.completion import CompletionWire, HostedModel


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
    address = parse_spec(spec, role)
    if address.family is not None:
        raise unknown_spec(f"{address.family!r} stands before the provider", role)
    endpoint = tuned(address.endpoint, role, timeout, max_retries, api_key)
    made = make_provider(address.provider, endpoint, address.options)
    return made if isinstance(made, StepModel) else HostedModel(made)


def reward_model(
    spec: str | RewardModel,
    *,
    timeout: float | None = None,
    max_retries: int | None = None,
    api_key: SecretStr | None = None,
) -> RewardModel:
    """The PRM named by an endpoint string, `[family+]provider+url`; an object passes through.

    Raises:
        ConfigurationError: Not an endpoint string, or an unknown family, provider or option.
    """
    if not isinstance(spec, str):
        return spec
    address = parse_spec(spec, "prm")
    family = address.family or _USUAL_FAMILY.get(address.provider)
    if family is None or family not in FAMILIES:
        raise ConfigurationError(
            f"unknown PRM family {family!r}." if family else "which family of PRMs is this?",
            role="prm",
            expected=f"family+provider+http://..., family one of {', '.join(sorted(FAMILIES))}",
        )
    endpoint = tuned(address.endpoint, "prm", timeout, max_retries, api_key)
    return FAMILIES[family](replace(address, endpoint=endpoint))


def _vllm_only(make: Callable[[Endpoint], RewardModel], address: Address) -> RewardModel:
    if address.provider != "vllm":
        raise _unfit(address, f"{address.provider} has no /pooling or /classify route.", "vllm")
    if address.options:
        raise _unfit(address, f"{', '.join(address.options)} means nothing here.", "no such option")
    return make(address.endpoint)


def _token_rows(format: RowsFormat, address: Address) -> RewardModel:
    return _vllm_only(partial(TokenRowsPRM, format=format), address)


def _outcome(address: Address) -> RewardModel:
    if address.provider == "tei":
        made = make_provider("tei", address.endpoint, address.options)
        return cast("RewardModel", made)
    return _vllm_only(OutcomeRM, address)


def _token_probability(format: PRMFormat, address: Address) -> RewardModel:
    wire = make_provider(address.provider, address.endpoint, address.options)
    if not hasattr(wire, "complete"):
        said = f"{address.provider} cannot report the probabilities of tokens."
        raise _unfit(address, said, "a server that continues text, such as vllm or llamacpp")
    return TokenProbabilityPRM(cast("CompletionWire", wire), format)


def _unfit(address: Address, what: str, expected: str) -> CapabilityError:
    return CapabilityError(what, role="prm", endpoint=str(address.endpoint), expected=expected)


FAMILIES: Mapping[str, Callable[[Address], RewardModel]] = MappingProxyType(
    {
        "genprm": partial(_token_probability, GENPRM),
        "judge": partial(_token_probability, JUDGE),
        "judge-greedy": partial(_token_probability, JUDGE_GREEDY),
        "math-shepherd": partial(_token_probability, MATH_SHEPHERD),
        "orm": _outcome,
        "pure": partial(_token_rows, PURE),
        "qwen-prm": partial(_vllm_only, PoolingPRM),
        "qwen-prm-split": partial(_vllm_only, partial(PoolingPRM, logits=True)),
        "recompute": partial(_token_probability, RECOMPUTE),
        "rlhflow": partial(_token_probability, RLHFLOW),
        "skywork": partial(_token_rows, SKYWORK),
        "skywork-paper": partial(_token_rows, SKYWORK_PAPER),
        "thinkprm": partial(_token_probability, THINKPRM),
        "versaprm": partial(_token_probability, VERSAPRM),
    }
)
"""Family -> makes the PRM at an address."""

_USUAL_FAMILY = {
    "embedded": "recompute",
    "llamacpp": "recompute",
    "tei": "orm",
    "vllm": "qwen-prm",
}
"""What is meant if no family is named. A wrong guess is not silent: it gives no reward at all."""


def known_parameters(draft: object, target: object, prm: object) -> dict[str, float] | None:
    """Parameter counts of the three models, if all are shipped with the package."""
    names = {"draft": draft, "target": target, "prm": prm}
    if any(spec != f"embedded:{role}" for role, spec in names.items()):
        return None
    from rsd_graph.embedded.card import read_card

    return asdict(read_card().parameters)
