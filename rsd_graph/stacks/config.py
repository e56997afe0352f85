"""Stacks in a file: which endpoints play draft, target and PRM, and with what settings.

    # rsd.toml
    [endpoints.small]
    url = "vllm+http://gpu1:8000/v1#Qwen/Qwen2.5-Math-1.5B-Instruct"
    timeout = 30

    [stacks.math]
    draft = "small"                               # the name of an endpoint above,
    target = "vllm+http://gpu2:8000/v1#Qwen/…"    # or an endpoint string
    prm = "qwen-prm+vllm+http://gpu3:8000/v1#Qwen/…"
    delta = 0.7

    [stacks.math.prices]                          # money per million tokens
    draft = 0.1
    target = { input = 0.5, cached = 0.05, output = 1.5 }
    prm = 0.5

Environment variables `RSD_DRAFT`, `RSD_TARGET`, `RSD_PRM` and `RSD_DELTA` replace what a stack
says, so that one file serves laptop and cluster. Keys never stand in the file: an endpoint names
the variable that holds its key (`api_key_env`), or `RSD_API_KEY` serves all.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from rsd_graph.answer.prices import Prices
from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.providers.base import RewardModel, StepModel
from rsd_graph.providers.registry import reward_model, step_model

_ROLES: tuple[Role, ...] = ("draft", "target", "prm")


class EndpointConfig(BaseModel):
    """One `[endpoints.<name>]` table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    """Endpoint string, such as `vllm+http://host:8000/v1#model`."""
    timeout: float | None = Field(default=None, gt=0)
    """Seconds one exchange may take."""
    max_retries: int | None = Field(default=None, ge=0)
    api_key_env: str | None = None
    """Name of the environment variable that holds this endpoint's key."""
    parameters: float | None = Field(default=None, gt=0)
    """Parameter count of the model, for FLOPs."""


class StackConfig(BaseModel):
    """One `[stacks.<name>]` table: three models and the settings of `ChatRSD`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    draft: str
    target: str
    prm: str
    delta: float | Annotated[str, Field(pattern=r"\.json$")] | None = None
    """A number, or a calibration file, found from the folder of this one."""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    max_step_tokens: int | None = None
    max_steps: int | None = None
    seed: int | None = None
    step_separator: str | None = None
    lookahead: int | Literal["auto"] | None = None
    max_waste: float | None = None
    hedge: float | None = None
    on_prm_error: Literal["raise", "target"] | None = None
    prices: Prices | None = None


class Config(BaseModel):
    """A whole configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: dict[str, EndpointConfig] = Field(default_factory=dict)
    stacks: dict[str, StackConfig]


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigurationError: No such file, not TOML, or a setting that does not exist; the message
            names each wrong setting and what is wrong with it.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return Config.model_validate(content)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_for_humans(error)}.") from error


def load_stack(path: str | Path, stack: str | None = None) -> dict[str, Any]:
    """The settings of one stack, as keyword arguments of `ChatRSD`.

    Args:
        path: The configuration file.
        stack: Name of the stack; may be left out where the file has only one.

    Raises:
        ConfigurationError: See `load_config`, or there is no such stack or endpoint.
    """
    config = load_config(path)
    said = dict(config.stacks[_stack_name(config, stack)])
    settings = {name: value for name, value in said.items() if value is not None}
    chosen = settings | _from_environment()
    if isinstance(calibration := chosen.get("delta"), str):
        chosen["delta"] = str(Path(path).parent / calibration)
    models = {str(role): _model(role, chosen[role], config.endpoints) for role in _ROLES}
    return {**chosen, **models, **_parameters(config, chosen)}


def _stack_name(config: Config, stack: str | None) -> str:
    names = sorted(config.stacks)
    if stack is None and len(names) == 1:
        return names[0]
    if stack not in config.stacks:
        raise ConfigurationError(
            f"no stack {stack!r}." if stack else "which stack?",
            expected=f"one of {', '.join(names)}",
        )
    return stack


def _from_environment() -> dict[str, Any]:
    """What the environment says instead of the file."""
    names = {"draft": "RSD_DRAFT", "target": "RSD_TARGET", "prm": "RSD_PRM", "delta": "RSD_DELTA"}
    found = {key: os.environ[name] for key, name in names.items() if os.environ.get(name)}
    if "delta" not in found:
        return dict(found)
    try:
        return {**found, "delta": float(found["delta"])}
    except ValueError as error:
        raise ConfigurationError("RSD_DELTA is not a number.", expected="such as 0.7") from error


def _model(
    role: Role, spec: str, endpoints: Mapping[str, EndpointConfig]
) -> StepModel | RewardModel | str:
    """The model for one seat: an endpoint string as it stands, or a named endpoint's model."""
    if ":" in spec:
        return spec
    if spec not in endpoints:
        raise ConfigurationError(
            f"{role} names the endpoint {spec!r}, which is not in the file.",
            expected=f"one of {', '.join(sorted(endpoints)) or 'no endpoints'}, or an "
            "endpoint string",
        )
    named = endpoints[spec]
    options: dict[str, Any] = {
        "timeout": named.timeout,
        "max_retries": named.max_retries,
        "api_key": _key(named),
    }
    if role == "prm":
        return reward_model(named.url, **options)
    return step_model(named.url, role, **options)


def _key(endpoint: EndpointConfig) -> SecretStr | None:
    if endpoint.api_key_env is None:
        return None
    key = os.environ.get(endpoint.api_key_env)
    if not key:
        raise ConfigurationError(f"the environment variable {endpoint.api_key_env} is not set.")
    return SecretStr(key)


def _parameters(config: Config, chosen: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Parameter counts, if all three endpoints state theirs."""
    named = {role: config.endpoints.get(chosen[role]) for role in _ROLES}
    counts = {str(role): e.parameters for role, e in named.items() if e and e.parameters}
    return {"parameters": counts} if len(counts) == len(_ROLES) else {}


def _for_humans(error: ValidationError) -> str:
    """Each wrong setting by its dotted name, and what is wrong with it."""
    wrong = (f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors())
    return "; ".join(wrong)
