"""From a chat model's fields to the graph it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from inspect import signature
from typing import Any

from rsd_graph.answer.actions import Actions
from rsd_graph.answer.limits import Limits
from rsd_graph.answer.options import declared, names_of, picked
from rsd_graph.answer.thinking import Phases
from rsd_graph.chat_models.options import ChatOptions
from rsd_graph.chat_models.parts import parts
from rsd_graph.errors import CapabilityError, Role
from rsd_graph.graph import create_rsd_graph
from rsd_graph.providers.base import Models, Sampling, StepModel
from rsd_graph.providers.http.client import Client
from rsd_graph.providers.http.endpoint import Endpoint
from rsd_graph.providers.names import public_name
from rsd_graph.providers.thinking import without_thinking
from rsd_graph.providers.wires.chat_action import Acting, ActionRewardModel, ChatActionModel
from rsd_graph.runtime.node import CompiledRSDGraph
from rsd_graph.stacks.settings import ROLES

_OF_THE_GRAPH = [name for name in signature(create_rsd_graph).parameters if name in declared()]


def compiled_graph(model: ChatOptions, actions: Actions | None = None) -> CompiledRSDGraph:
    """The graph *model* runs, compiled once for all its copies with the same options.

    Raises:
        ConfigurationError: The parts do not fit together.
    """
    options = _graph_options(model)
    built_in = [getattr(model, name) for name in (*ROLES, *names_of("connection"))]
    what = json.dumps(asdict(actions), sort_keys=True) if actions else "text"
    key = (what, *map(model.shared.identity, [*built_in, *options.values()]))
    return model.shared.once(key, partial(_compile, model, options, actions))


def _graph_options(model: ChatOptions) -> dict[str, Any]:
    """What `create_rsd_graph` is told, beside the three models."""
    return {name: getattr(model, name) for name in _OF_THE_GRAPH} | {
        "accept": model.criterion,
        "sampling": picked(Sampling, model),
        "limits": picked(Limits, model),
        "phases": picked(Phases, model),
    }


def _compile(
    model: ChatOptions, options: dict[str, Any], actions: Actions | None
) -> CompiledRSDGraph:
    models = parts(model)
    if actions:
        models = _acting(model, models, actions)
        options |= {"limits": Limits(model.max_tokens, model.max_tokens, max_steps=1)}
        options |= {"lookahead": 0, "phases": Phases()}
        if isinstance(options["accept"], Mapping):
            options["accept"] = options["accept"]["answer"]
    graph = create_rsd_graph(draft=models.draft, target=models.target, prm=models.prm, **options)
    return graph.compile(checkpointer=False)


def _acting(model: ChatOptions, models: Models, actions: Actions) -> Models:
    """Draft and target whose single step is the assistant's next action."""
    phases = picked(Phases, model)

    def actor(provider: StepModel, role: Role, *, checked: bool) -> StepModel:
        thinks = None if phases.thinking is None else not phases.is_off_for(role)
        if thinks is False:
            provider = without_thinking(provider)
        if isinstance(provider, Acting):
            return provider.acting(actions, checked=checked)
        client, name = _client(model, provider, role), public_name(provider)
        return ChatActionModel(client, actions, checked=checked, name=name, thinking=thinks)

    return Models(
        actor(models.draft, "draft", checked=True),
        actor(models.target, "target", checked=False),
        ActionRewardModel(models.prm),
    )


def _client(model: ChatOptions, provider: StepModel, role: Role) -> Client:
    """The client for a provider's endpoint, one for all sets of tools."""
    endpoint = getattr(provider, "endpoint", None)
    if not isinstance(endpoint, Endpoint):
        raise CapabilityError(
            f"{type(provider).__name__} has no endpoint with a chat API.",
            role=role,
            expected="an endpoint string or a hosted model, to use tools or structured output",
        )
    return model.shared.once(("client", endpoint), partial(Client, endpoint))
