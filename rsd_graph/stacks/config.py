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

Environment variables such as `RSD_DRAFT`, `RSD_TARGET`, `RSD_PRM` and `RSD_DELTA` replace what a
stack says (see `settings`), so that one file serves laptop and cluster. Keys never stand in the
file: an endpoint names the variable that holds its key (`api_key_env`), or `RSD_API_KEY` serves
all.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from rsd_graph.answer.mistakes import did_you_mean, mistakes
from rsd_graph.answer.options import Options, settable_in
from rsd_graph.answer.prices import Price
from rsd_graph.errors import ConfigurationError, Role
from rsd_graph.providers.base import RewardModel, StepModel
from rsd_graph.providers.prm.spelled import rewritten
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.stacks.settings import ROLES, from_environment, over
from rsd_graph.stacks.text_file import read_text
from rsd_graph.stacks.toml_lines import line_of

_OPTION = re.compile(r"(\w+)=")


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


class StackConfig(Options):
    """One `[stacks.<name>]` table: three models, and any options.

    A file that `delta` or `prm` names, calibrated or learned, is found from the folder of this one.
    """

    draft: str
    target: str
    prm: str

    @model_validator(mode="before")
    @classmethod
    def _is_sound(cls, said: object) -> Any:
        if isinstance(said, dict) and "api_key" in said:
            raise ValueError(
                "a key never stands in a file; name the variable that holds it with api_key_env, "
                "in a table of [endpoints]"
            )
        return over({}, said) if isinstance(said, dict) else said


class Config(BaseModel):
    """A whole configuration file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoints: dict[str, EndpointConfig] = Field(default_factory=dict)
    stacks: dict[str, StackConfig]


def load_config(path: str | Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigurationError: No such file, not TOML, or a setting that does not exist; the message
            names each wrong setting, its line, and what is wrong with it.
    """
    text = read_text(path)
    try:
        content = tomllib.loads(text)
        return Config.model_validate(content)
    except ValidationError as error:
        found = mistakes(error, content, _known)
        wrong = (f"{path}{line_of(where, text)}: {what}" for where, what in found.items())
        raise ConfigurationError(" ".join(wrong)) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}.") from error
    except (ValueError, RecursionError) as error:  # what its parser lets through
        raise ConfigurationError(
            f"{path} is no configuration: a number is too long, or tables are nested too deeply."
        ) from error


def load_stack(path: str | Path, stack: str | None = None) -> dict[str, object]:
    """What one stack and the environment set, as keyword arguments of `ChatRSD`.

    Args:
        path: The configuration file.
        stack: Name of the stack; may be left out where the file has only one.

    Raises:
        ConfigurationError: See `load_config`, or there is no such stack or endpoint.
    """
    config = load_config(path)
    said = config.stacks[_stack_name(config, stack)].said()
    if isinstance(said.get("delta"), str):
        said["delta"] = str(Path(path).parent / said["delta"])
    said["prm"] = rewritten(said["prm"], str, lambda name: str(Path(path).parent / name))
    settings = over(said, from_environment())
    with naming_lines(path, stack):
        models: dict[str, Any] = {role: _model(role, settings, config.endpoints) for role in ROLES}
    return {**_parameters(config, settings), **settings, **models}


@contextmanager
def naming_lines(
    path: str | Path, stack: str | None = None, above: Collection[str] = ()
) -> Iterator[None]:
    """Errors inside that are about a setting of this stack name its file and line.

    Args:
        path: The configuration file.
        stack: See `load_stack`.
        above: Settings that somebody else has made; the environment's are known.
    """
    try:
        yield
    except ConfigurationError as error:
        option = _OPTION.match(error.message)
        setting = option[1] if option else error.role
        if setting and setting not in {*above, *from_environment()}:
            place = f"{path}{_setting_line(setting, path, stack)}"
            error.endpoint = f"{error.endpoint} in {place}" if error.endpoint else place
        raise


def _setting_line(setting: str, path: str | Path, stack: str | None) -> str:
    """`, line N` of a stack's setting, or of the address of the endpoint it names."""
    config = load_config(path)
    name = _stack_name(config, stack)
    said = getattr(config.stacks[name], setting, None)
    named = isinstance(said, str) and said in config.endpoints
    where = ("endpoints", str(said), "url") if named else ("stacks", name, setting)
    return line_of(where, read_text(path))


def _stack_name(config: Config, stack: str | None) -> str:
    names = sorted(config.stacks)
    if stack is None and len(names) == 1:
        return names[0]
    if stack is None:
        raise ConfigurationError("which stack?", expected=f"one of {', '.join(names)}")
    if stack not in config.stacks:
        raise ConfigurationError(f"no stack {stack!r}.", hint=did_you_mean(stack, names))
    return stack


def _model(
    role: Role, settings: Mapping[str, Any], endpoints: Mapping[str, EndpointConfig]
) -> StepModel | RewardModel | str:
    """The model for one seat: an endpoint string as it stands, or a named endpoint's model."""
    spec: str = settings[role]
    if ":" in spec:
        return spec
    if spec not in endpoints:
        raise ConfigurationError(
            f"{spec!r} names an endpoint which is not in the file.",
            role=role,
            expected="an endpoint string, or the name of a table in [endpoints]",
            hint=did_you_mean(spec, endpoints),
        )
    named = endpoints[spec]
    own: dict[str, Any] = {
        "timeout": named.timeout,
        "max_retries": named.max_retries,
        "api_key": _key(named),
    }
    if all(value is None for value in own.values()):
        return named.url
    usual = {name: settings.get(name) for name in own}
    options = {name: usual[name] if value is None else value for name, value in own.items()}
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


def _parameters(config: Config, settings: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Parameter counts, if all three endpoints state theirs."""
    named = {role: config.endpoints.get(settings[role]) for role in ROLES}
    counts = {str(role): e.parameters for role, e in named.items() if e and e.parameters}
    return {"parameters": counts} if len(counts) == len(ROLES) else {}


def _known(path: tuple[str, ...]) -> Iterable[str]:
    """The names there can be where this one is."""
    table, *inside = path
    if not inside:
        return Config.model_fields
    if table == "endpoints":
        return EndpointConfig.model_fields
    in_a_stack = ((*ROLES, *settable_in("file")), ROLES, [field.name for field in fields(Price)])
    return in_a_stack[len(inside) - 2]
