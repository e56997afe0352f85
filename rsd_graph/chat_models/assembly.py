"""From a chat model's fields to the graph it runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic import SecretStr

from rsd_graph.answer.actions import Actions
from rsd_graph.answer.limits import Limits
from rsd_graph.chat_models.options import CONNECTION, WAITING, ChatOptions
from rsd_graph.errors import CapabilityError, Role
from rsd_graph.graph import create_rsd_graph
from rsd_graph.providers.base import Sampling
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.registry import reward_model, step_model
from rsd_graph.providers.wires.chat_action import ActionRewardModel, ChatActionModel
from rsd_graph.runtime.node import CompiledRSDGraph

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")

_GRAPH = (
    *("draft", "target", "prm", "delta", "accept", "max_tokens", "max_step_tokens", "max_steps"),
    *("step_separator", "on_prm_error", *WAITING, *SAMPLING, *CONNECTION),
)
"""Fields that are built into the graph; the others apply to one call."""


def compiled_graph(model: ChatOptions, actions: Actions | None = None) -> CompiledRSDGraph:
    """The graph *model* runs, compiled once for all its copies with the same options.

    Raises:
        ConfigurationError: The parts do not fit together.
    """
    what = json.dumps(asdict(actions), sort_keys=True) if actions else "text"
    key = (what, *(_identity(getattr(model, name)) for name in _GRAPH))
    return model.shared.once(key, partial(_compile, model, actions))


def _compile(model: ChatOptions, actions: Actions | None) -> CompiledRSDGraph:
    graph = create_rsd_graph(
        **(_acting_parts(model, actions) if actions else _writing_parts(model)),
        accept=model.criterion,
        sampling=Sampling(**{name: getattr(model, name) for name in SAMPLING}),
        step_separator=model.step_separator,
        hedge=model.hedge,
        on_prm_error=model.on_prm_error,
    )
    return graph.compile(checkpointer=False, name="rsd")


def _writing_parts(model: ChatOptions) -> dict[str, Any]:
    """Draft and target that write the answer step by step."""
    return {
        "draft": _provider(model, "draft", partial(step_model, role="draft")),
        "target": _provider(model, "target", partial(step_model, role="target")),
        "prm": _provider(model, "prm", reward_model),
        "limits": Limits(model.max_tokens, model.max_step_tokens, model.max_steps),
        "lookahead": model.lookahead,
        "max_waste": model.max_waste,
    }


def _acting_parts(model: ChatOptions, actions: Actions) -> dict[str, Any]:
    """Draft and target whose single step is the assistant's next action."""
    parts = _writing_parts(model)
    draft, target = (_client(model, parts[role], role) for role in ("draft", "target"))
    return {
        "draft": ChatActionModel(draft, actions, checked=True),
        "target": ChatActionModel(target, actions, checked=False),
        "prm": ActionRewardModel(parts["prm"]),
        "limits": Limits(model.max_tokens, model.max_tokens, max_steps=1),
    }


def _client(model: ChatOptions, provider: Any, role: Role) -> Client:
    """The client for a provider's endpoint, one for all sets of tools."""
    endpoint = getattr(provider, "endpoint", None)
    if not isinstance(endpoint, Endpoint):
        raise CapabilityError(
            f"{type(provider).__name__} has no endpoint with a chat API.",
            role=role,
            expected="an endpoint string or a hosted model, to use tools or structured output",
        )
    return model.shared.once(("client", endpoint), partial(Client, endpoint))


def _provider(model: ChatOptions, role: Role, make: Callable[..., Any]) -> Any:
    """The provider in this seat; one named by a string is built once."""
    spec = getattr(model, role)
    if not isinstance(spec, str):
        return spec
    connection = {name: getattr(model, name) for name in CONNECTION}
    key = (role, spec, *connection.values())
    return model.shared.once(key, partial(make, spec, **connection))


def _identity(value: Any) -> Any:
    """A key for this value; objects count as themselves (the graph keeps them alive)."""
    return value if isinstance(value, str | int | float | SecretStr | None) else id(value)
